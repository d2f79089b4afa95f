/* http/message.h - HTTP/1.1 heads: a strict, bounded parser and a printer. Pure, no allocation.
 *
 * RFC 9112. Refused rather than interpreted: obs-fold, bare CR or LF, NUL and other controls,
 * white space before the colon, tabs around what frames the message, both Content-Length and Transfer-Encoding, differing or repeated
 * Content-Length, a Transfer-Encoding other than exactly one "chunked", more than HTTP_HEADERS_MAX
 * fields, HTTP versions other than 1.0 and 1.1, Transfer-Encoding in 1.0. */
#ifndef HTTP_MESSAGE_H
#define HTTP_MESSAGE_H

#include "base/err.h"
#include "base/span.h"

enum {
    HTTP_HEADERS_MAX = 100,
    HTTP_HEAD_BYTES_MAX = 32 * 1024, /* request or status line and all fields */
};

struct http_header {
    struct span name, value; /* value without surrounding white space; bytes as received */
};

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_PUT, HTTP_POST, HTTP_DELETE, HTTP_OPTIONS, HTTP_OTHER };

struct http_head {
    /* request */
    enum http_method method;
    struct span method_text, target; /* target as received: origin-form only, starts with '/' */
    /* answer */
    unsigned status;
    /* both */
    uint8_t minor; /* HTTP/1.minor */
    bool keep_alive;
    bool chunked;    /* Transfer-Encoding: chunked */
    bool has_length; /* Content-Length was there */
    bool expect_continue;
    uint64_t length; /* of Content-Length */
    size_t header_count;
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t head_bytes; /* length of the head on the wire, final CRLF CRLF included */
};

/* Parse one complete head at the start of `in`. The spans of *out point into `in`.
 * ERR_OK; ERR_AGAIN: no end of head yet, read more; ERR_TOO_LARGE; ERR_PROTOCOL: *why (if not NULL)
 * is a static text for the peer and the log. Empty lines before a request line are not skipped.
 * `seen` (may be NULL) is the caller's note of how far the search for the head's end has come:
 * 0 at first, so that a head that trickles in is scanned once. */
enum err http_parse_request(struct span in, struct http_head *out, size_t *seen, const char **why) MUST_CHECK;
/* What *why points at for a version other than HTTP/1.0 and 1.1: a server answers it with 505, not 400. */
extern const char http_bad_version[];
/* The same for an answer. The framing of answers without length (until close) shows as !chunked && !has_length. */
enum err http_parse_answer(struct span in, struct http_head *out, size_t *seen, const char **why) MUST_CHECK;

/* Whether text that came some other way can be the name of a field (RFC 9110 section 5.6.2: a token), or its value
 * (section 5.5). */
bool http_is_token(struct span s);
bool http_is_value(struct span s);

/* Value of the field with this name (any case), NULL when absent; the first when repeated. */
const struct span *http_header(const struct http_head *h, const char *name);
/* How many fields have this name. */
size_t http_header_count(const struct http_head *h, const char *name);

/* The reason phrase of RFC 9110 section 15, "" for one it does not know. */
const char *http_reason(unsigned status);

/* Decoder of the chunked coding (RFC 9112 section 7.1). Chunk extensions and trailer fields are
 * bounded, checked for form, and dropped; Content-Length and Transfer-Encoding as trailers, bare LF,
 * white space and everything else after the size that is not ';' ext are refused. */
struct http_chunked {
    uint64_t left; /* of the chunk under way */
    uint32_t state, line_bytes;
    uint32_t name_chars; /* of a trailer field */
    char name[17];       /* as long as "transfer-encoding" */
};
void http_chunked_init(struct http_chunked *c);
/* Consumes from in[0..len): *used bytes were taken, of which in[*data .. *data + *data_len) is body.
 * ERR_OK (call again with the rest), ERR_EOF: the coding ended exactly at *used, ERR_PROTOCOL. */
enum err http_chunked_feed(struct http_chunked *c, const char *in, size_t len, size_t *used, size_t *data,
                           size_t *data_len) MUST_CHECK;
/* Bytes of the chunk under way that are still to come; 0 between chunks. So many bytes may be read
 * to where they are wanted before the next line of the coding. */
uint64_t http_chunked_data_left(const struct http_chunked *c);

#endif
