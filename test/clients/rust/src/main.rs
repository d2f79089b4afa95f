//! aws-sdk-s3: the steps of test/clients/README.md, uploads in parts by hand as the SDK has no transfer manager of its own.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier};
use aws_smithy_http_client::{Builder, tls};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

const PART: u64 = 16 << 20;
const MANY: usize = 1005;
const AT_ONCE: usize = 16;

struct Job {
    s3: Client,
    bucket: String,
    prefix: String,
    files: PathBuf,
}

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn client() -> Client {
    let http = match std::env::var("AWS_CA_BUNDLE") {
        Err(_) => Builder::new().build_http(),
        Ok(file) => {
            let pem = std::fs::read(file).expect("the CA file is readable");
            let context = tls::TlsContext::builder()
                .with_trust_store(tls::TrustStore::empty().with_pem_certificate(pem))
                .build()
                .expect("the CA file is PEM");
            Builder::new()
                .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
                .tls_context(context)
                .build_https()
        }
    };
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(env("S3_ENDPOINT"))
        .force_path_style(true)
        .region(Region::new(env("AWS_REGION")))
        .credentials_provider(Credentials::new(env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY"), None, None, "env"))
        .http_client(http)
        .build();
    Client::from_conf(config)
}

fn check(holds: bool, what: &str) -> Outcome {
    if holds { Ok(()) } else { Err(what.into()) }
}

/// What an object store's error says, with all its causes, on one line.
fn why(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text += &format!(": {inner}");
        cause = inner.source();
    }
    text.replace('\n', " ")
}

impl Job {
    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    async fn small(&self) -> Result<Vec<u8>, std::io::Error> {
        tokio::fs::read(self.files.join("small")).await
    }

    async fn put(&self) -> Outcome {
        self.s3.put_object().bucket(&self.bucket).key(self.key("put +ü.bin")).body(ByteStream::from(self.small().await?))
            .content_type("image/png").metadata("colour", "blue").send().await?;
        Ok(())
    }

    async fn get(&self) -> Outcome {
        let answer = self.s3.get_object().bucket(&self.bucket).key(self.key("put +ü.bin")).send().await?;
        check(answer.content_type() == Some("image/png"), "another content type")?;
        check(answer.metadata().and_then(|m| m.get("colour")).is_some_and(|c| c == "blue"), "another metadata")?;
        check(answer.body.collect().await?.to_vec() == self.small().await?, "other bytes")
    }

    async fn range(&self) -> Outcome {
        let answer = self.s3.get_object().bucket(&self.bucket).key(self.key("put +ü.bin")).range("bytes=1000-1999").send().await?;
        check(answer.body.collect().await?.to_vec() == self.small().await?[1000..2000], "other bytes")
    }

    async fn listed(&self) -> Result<Vec<String>, Box<dyn Error + Send + Sync>> {
        let mut pages = self.s3.list_objects_v2().bucket(&self.bucket).prefix(self.key("many/")).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            keys.extend(page?.contents().iter().filter_map(|o| o.key().map(String::from)));
        }
        Ok(keys)
    }

    async fn list(&self) -> Outcome {
        let names: Vec<String> = (0..MANY).map(|n| format!("{n:04}")).collect();
        let mut puts = JoinSet::new();
        let room = Arc::new(Semaphore::new(AT_ONCE));
        for name in &names {
            let (room, file) = (room.clone(), self.files.join("many").join(name));
            let put = self.s3.put_object().bucket(&self.bucket).key(self.key(&format!("many/{name}")));
            puts.spawn(async move {
                let _turn = room.acquire_owned().await?;
                put.body(ByteStream::from_path(file).await?).send().await?;
                Outcome::Ok(())
            });
        }
        while let Some(done) = puts.join_next().await {
            done??;
        }
        check(self.listed().await? == names.iter().map(|n| self.key(&format!("many/{n}"))).collect::<Vec<_>>(), "other keys")
    }

    async fn multipart(&self) -> Outcome {
        let (file, key) = (self.files.join("big"), self.key("big"));
        let size = tokio::fs::metadata(&file).await?.len();
        let upload = self.s3.create_multipart_upload().bucket(&self.bucket).key(&key).send().await?;
        let mut parts = JoinSet::new();
        let room = Arc::new(Semaphore::new(4));
        for (number, at) in (1..).zip((0..size).step_by(PART as usize)) {
            let (room, file) = (room.clone(), file.clone());
            let part = self.s3.upload_part().bucket(&self.bucket).key(&key).upload_id(upload.upload_id().unwrap_or("")).part_number(number);
            parts.spawn(async move {
                let _turn = room.acquire_owned().await?;
                let body = ByteStream::read_from().path(file).offset(at).length(Length::Exact(PART.min(size - at))).build().await?;
                let answer = part.body(body).send().await?;
                Ok::<_, Box<dyn Error + Send + Sync>>(CompletedPart::builder().part_number(number)
                    .set_e_tag(answer.e_tag().map(String::from))
                    .set_checksum_crc32(answer.checksum_crc32().map(String::from)).build())
            });
        }
        let mut done = Vec::new();
        while let Some(part) = parts.join_next().await {
            done.push(part??);
        }
        done.sort_by_key(|part| part.part_number());
        self.s3.complete_multipart_upload().bucket(&self.bucket).key(&key).set_upload_id(upload.upload_id().map(String::from))
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(done)).build()).send().await?;
        self.same_as_big(&key).await
    }

    async fn same_as_big(&self, key: &str) -> Outcome {
        use tokio::io::AsyncReadExt;
        let mut file = tokio::fs::File::open(self.files.join("big")).await?;
        let mut body = self.s3.get_object().bucket(&self.bucket).key(key).send().await?.body;
        let mut expected = Vec::new();
        while let Some(block) = body.try_next().await? {
            expected.resize(block.len(), 0);
            file.read_exact(&mut expected).await?;
            check(expected == block, "other bytes")?;
        }
        check(file.read(&mut [0]).await? == 0, "bytes are missing")
    }

    async fn copy(&self) -> Outcome {
        // The SDK sends the source as it is given: encoded by the caller.
        let source = format!("{}/{}/put%20%2B%C3%BC.bin", self.bucket, self.prefix);
        self.s3.copy_object().bucket(&self.bucket).key(self.key("copy %41&=.bin")).copy_source(source).send().await?;
        let answer = self.s3.get_object().bucket(&self.bucket).key(self.key("copy %41&=.bin")).send().await?;
        check(answer.body.collect().await?.to_vec() == self.small().await?, "other bytes")
    }

    async fn delete(&self) -> Outcome {
        for keys in self.listed().await?.chunks(1000) {
            let objects = keys.iter().map(|k| ObjectIdentifier::builder().key(k).build()).collect::<Result<Vec<_>, _>>()?;
            let answer = self.s3.delete_objects().bucket(&self.bucket)
                .delete(Delete::builder().set_objects(Some(objects)).build()?).send().await?;
            check(answer.errors().is_empty() && answer.deleted().len() == keys.len(), "not all were deleted")?;
        }
        check(self.listed().await?.is_empty(), "keys are left")
    }

    async fn presign(&self) -> Outcome {
        let soon = PresigningConfig::expires_in(Duration::from_secs(600))?;
        let get = self.s3.get_object().bucket(&self.bucket).key(self.key("put +ü.bin")).presigned(soon.clone()).await?;
        let put = self.s3.put_object().bucket(&self.bucket).key(self.key("presigned")).presigned(soon).await?;
        println!("url GET {}\nurl PUT {}", get.uri(), put.uri());
        Ok(())
    }
}

fn report(name: &str, outcome: Outcome) {
    match outcome {
        Ok(()) => println!("ok {name}"),
        Err(error) => println!("not ok {name} {}", why(error.as_ref())),
    }
}

#[tokio::main]
async fn main() {
    let job = Job { s3: client(), bucket: env("S3_BUCKET"), prefix: env("S3_PREFIX"), files: PathBuf::from(env("S3_FILES")) };
    report("put", job.put().await);
    report("get", job.get().await);
    report("range", job.range().await);
    report("list", job.list().await);
    report("multipart", job.multipart().await);
    report("copy", job.copy().await);
    report("delete", job.delete().await);
    report("presign", job.presign().await);
}
