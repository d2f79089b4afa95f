// software.amazon.awssdk:s3 with its transfer manager: the steps of test/clients/README.md.

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import javax.net.ssl.TrustManagerFactory;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.core.sync.ResponseTransformer;
import software.amazon.awssdk.http.TlsTrustManagersProvider;
import software.amazon.awssdk.http.apache5.Apache5HttpClient;
import software.amazon.awssdk.http.nio.netty.NettyNioAsyncHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3AsyncClient;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3Configuration;
import software.amazon.awssdk.services.s3.model.DeleteObjectsResponse;
import software.amazon.awssdk.services.s3.model.GetObjectResponse;
import software.amazon.awssdk.services.s3.model.ObjectIdentifier;
import software.amazon.awssdk.services.s3.model.S3Object;
import software.amazon.awssdk.services.s3.presigner.S3Presigner;
import software.amazon.awssdk.transfer.s3.S3TransferManager;

class Client {
    private static final int AT_ONCE = 16;
    private static final List<String> MANY = IntStream.range(0, 1005).mapToObj(n -> String.format("%04d", n)).toList();

    private final String bucket = System.getenv("S3_BUCKET");
    private final String prefix = System.getenv("S3_PREFIX");
    private final Path files = Path.of(System.getenv("S3_FILES"));
    private final URI endpoint = URI.create(System.getenv("S3_ENDPOINT"));
    private final Region region = Region.of(System.getenv("AWS_REGION"));
    private final byte[] small = Files.readAllBytes(files.resolve("small"));
    private final TlsTrustManagersProvider trust = trust();
    // The keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    private final S3Client s3 = S3Client.builder().endpointOverride(endpoint).region(region).forcePathStyle(true)
            .httpClientBuilder(Apache5HttpClient.builder().tlsTrustManagersProvider(trust)).build();

    Client() throws Exception {
    }

    /** Those that the file in AWS_CA_BUNDLE names; without one Java's own (null). */
    private static TlsTrustManagersProvider trust() throws Exception {
        String file = System.getenv("AWS_CA_BUNDLE");
        if (file == null)
            return null;
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null);
        try (InputStream pem = Files.newInputStream(Path.of(file))) {
            for (Certificate authority : CertificateFactory.getInstance("X.509").generateCertificates(pem))
                store.setCertificateEntry("ca" + store.size(), authority);
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init(store);
        return factory::getTrustManagers;
    }

    private static void check(boolean holds, String what) {
        if (!holds)
            throw new IllegalStateException(what);
    }

    private String key(String name) {
        return prefix + "/" + name;
    }

    private byte[] read(String name, String range) {
        return s3.getObject(r -> r.bucket(bucket).key(key(name)).range(range), ResponseTransformer.toBytes()).asByteArray();
    }

    private void put() {
        s3.putObject(r -> r.bucket(bucket).key(key("put +ü.bin")).contentType("image/png").metadata(Map.of("colour", "blue")),
                RequestBody.fromBytes(small));
    }

    private void get() throws IOException {
        try (var answer = s3.getObject(r -> r.bucket(bucket).key(key("put +ü.bin")))) {
            GetObjectResponse head = answer.response();
            check(Arrays.equals(answer.readAllBytes(), small), "other bytes");
            check(head.contentType().equals("image/png"), "another content type");
            check("blue".equals(head.metadata().get("colour")), "another metadata");
        }
    }

    private void range() {
        check(Arrays.equals(read("put +ü.bin", "bytes=1000-1999"), Arrays.copyOfRange(small, 1000, 2000)), "other bytes");
    }

    private List<String> listed() {
        return s3.listObjectsV2Paginator(r -> r.bucket(bucket).prefix(key("many/"))).contents().stream().map(S3Object::key).toList();
    }

    private void list() throws Exception {
        var pool = Executors.newFixedThreadPool(AT_ONCE);
        try {
            List<Future<?>> puts = new ArrayList<>();
            for (String name : MANY)
                puts.add(pool.submit(() -> s3.putObject(r -> r.bucket(bucket).key(key("many/" + name)),
                        files.resolve("many").resolve(name))));
            for (Future<?> put : puts)
                put.get();
        } finally {
            pool.shutdown();
        }
        check(listed().equals(MANY.stream().map(name -> key("many/" + name)).toList()), "other keys");
    }

    private void multipart() throws IOException {
        Path big = files.resolve("big");
        var http = NettyNioAsyncHttpClient.builder().tlsTrustManagersProvider(trust)
                .connectionAcquisitionTimeout(Duration.ofMinutes(2)); // all parts are asked for at once, and a busy machine is slow
        try (S3AsyncClient async = S3AsyncClient.builder().endpointOverride(endpoint).region(region).forcePathStyle(true)
                .multipartEnabled(true).httpClientBuilder(http).build();
                S3TransferManager manager = S3TransferManager.builder().s3Client(async).build()) {
            manager.uploadFile(u -> u.source(big).putObjectRequest(r -> r.bucket(bucket).key(key("big")))).completionFuture().join();
        }
        try (InputStream found = s3.getObject(r -> r.bucket(bucket).key(key("big"))); InputStream expected = Files.newInputStream(big)) {
            byte[] block;
            do {
                block = found.readNBytes(1 << 20);
                check(Arrays.equals(block, expected.readNBytes(1 << 20)), "other bytes");
            } while (block.length > 0);
        }
    }

    private void copy() {
        s3.copyObject(r -> r.sourceBucket(bucket).sourceKey(key("put +ü.bin")).destinationBucket(bucket)
                .destinationKey(key("copy %41&=.bin")));
        check(Arrays.equals(read("copy %41&=.bin", null), small), "other bytes");
    }

    private void delete() {
        List<String> keys = listed();
        for (int at = 0; at < keys.size(); at += 1000) {
            List<ObjectIdentifier> some = keys.subList(at, Math.min(at + 1000, keys.size())).stream()
                    .map(key -> ObjectIdentifier.builder().key(key).build()).toList();
            DeleteObjectsResponse answer = s3.deleteObjects(r -> r.bucket(bucket).delete(d -> d.objects(some)));
            check(answer.errors().isEmpty() && answer.deleted().size() == some.size(), "not all were deleted");
        }
        check(listed().isEmpty(), "keys are left");
    }

    private void presign() {
        try (S3Presigner presigner = S3Presigner.builder().endpointOverride(endpoint).region(region)
                .serviceConfiguration(S3Configuration.builder().pathStyleAccessEnabled(true).build()).build()) {
            Duration soon = Duration.ofMinutes(10);
            System.out.println("url GET " + presigner.presignGetObject(p -> p.signatureDuration(soon)
                    .getObjectRequest(r -> r.bucket(bucket).key(key("put +ü.bin")))).url());
            System.out.println("url PUT " + presigner.presignPutObject(p -> p.signatureDuration(soon)
                    .putObjectRequest(r -> r.bucket(bucket).key(key("presigned")))).url());
        }
    }

    private interface Step {
        void run() throws Exception;
    }

    private static void play(String name, Step step) {
        try {
            step.run();
            System.out.println("ok " + name);
        } catch (Exception error) {
            System.out.println("not ok " + name + " " + error.toString().replace('\n', ' '));
        }
    }

    public static void main(String[] arguments) throws Exception {
        Client client = new Client();
        play("put", client::put);
        play("get", client::get);
        play("range", client::range);
        play("list", client::list);
        play("multipart", client::multipart);
        play("copy", client::copy);
        play("delete", client::delete);
        play("presign", client::presign);
    }
}
