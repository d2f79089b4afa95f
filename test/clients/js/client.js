// @aws-sdk/client-s3 with lib-storage and s3-request-presigner: the steps of test/clients/README.md.

import { createReadStream, readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { CopyObjectCommand, DeleteObjectsCommand, GetObjectCommand, PutObjectCommand, S3Client, paginateListObjectsV2 }
    from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';

const { S3_ENDPOINT, S3_BUCKET: Bucket, S3_PREFIX, S3_FILES, AWS_REGION, AWS_CA_BUNDLE } = process.env;
const MANY = Array.from({ length: 1005 }, (_, n) => String(n).padStart(4, '0'));
const AT_ONCE = 16;

// The keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
const s3 = new S3Client({
    endpoint: S3_ENDPOINT,
    forcePathStyle: true,
    region: AWS_REGION,
    requestHandler: AWS_CA_BUNDLE ? { httpsAgent: new Agent({ ca: readFileSync(AWS_CA_BUNDLE), keepAlive: true }) } : {},
});
const small = readFileSync(join(S3_FILES, 'small'));
const at = (name) => ({ Bucket, Key: `${S3_PREFIX}/${name}` });

function check(holds, what) {
    if (!holds)
        throw new Error(what);
}

async function read(name, options = {}) {
    const answer = await s3.send(new GetObjectCommand({ ...at(name), ...options }));
    return { ...answer, body: Buffer.from(await answer.Body.transformToByteArray()) };
}

async function put() {
    await s3.send(new PutObjectCommand({ ...at('put +ü.bin'), Body: small, ContentType: 'image/png', Metadata: { colour: 'blue' } }));
}

async function get() {
    const answer = await read('put +ü.bin');
    check(answer.body.equals(small), 'other bytes');
    check(answer.ContentType === 'image/png', 'another content type');
    check(answer.Metadata.colour === 'blue', 'another metadata');
}

async function range() {
    const answer = await read('put +ü.bin', { Range: 'bytes=1000-1999' });
    check(answer.body.equals(small.subarray(1000, 2000)), 'other bytes');
}

async function listed() {
    const keys = [];
    for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket, Prefix: `${S3_PREFIX}/many/` }))
        keys.push(...(page.Contents ?? []).map((object) => object.Key));
    return keys;
}

async function list() {
    const left = [...MANY];
    await Promise.all(Array.from({ length: AT_ONCE }, async () => {
        for (let name = left.pop(); name; name = left.pop())
            await s3.send(new PutObjectCommand({ ...at(`many/${name}`), Body: readFileSync(join(S3_FILES, 'many', name)) }));
    }));
    check((await listed()).join() === MANY.map((name) => `${S3_PREFIX}/many/${name}`).join(), 'other keys');
}

async function multipart() {
    const file = join(S3_FILES, 'big');
    await new Upload({ client: s3, params: { ...at('big'), Body: createReadStream(file) } }).done();
    const answer = await s3.send(new GetObjectCommand(at('big')));
    const expected = readFileSync(file);
    let done = 0;
    for await (const block of answer.Body) {
        check(expected.subarray(done, done + block.length).equals(block), 'other bytes');
        done += block.length;
    }
    check(done === expected.length, 'bytes are missing');
}

async function copy() {
    // The SDK sends the source as it is given: encoded by the caller.
    const CopySource = `${Bucket}/${S3_PREFIX}/${encodeURIComponent('put +ü.bin')}`;
    await s3.send(new CopyObjectCommand({ ...at('copy %41&=.bin'), CopySource }));
    check((await read('copy %41&=.bin')).body.equals(small), 'other bytes');
}

async function deleteMany() {
    const keys = await listed();
    while (keys.length) {
        const Objects = keys.splice(0, 1000).map((Key) => ({ Key }));
        const answer = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
        check(!answer.Errors?.length && answer.Deleted.length === Objects.length, 'not all were deleted');
    }
    check((await listed()).length === 0, 'keys are left');
}

async function presign() {
    console.log('url GET', await getSignedUrl(s3, new GetObjectCommand(at('put +ü.bin')), { expiresIn: 600 }));
    console.log('url PUT', await getSignedUrl(s3, new PutObjectCommand(at('presigned')), { expiresIn: 600 }));
}

const steps = { put, get, range, list, multipart, copy, delete: deleteMany, presign };
for (const [name, step] of Object.entries(steps)) {
    try {
        await step();
        console.log('ok', name);
    } catch (error) {
        console.log('not ok', name, String(error).replaceAll('\n', ' '));
    }
}
