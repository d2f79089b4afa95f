/* s3/xml_read.h - the walk through an XML document that all readers in s3/ share. Pure. */
#ifndef S3_XML_READ_H
#define S3_XML_READ_H

#include "base/err.h"
#include "base/span.h"

enum { XML_TEXT_BYTES_MAX = 1024, XML_WIDE_TEXT_BYTES_MAX = 3 * 1024 };

struct xml_walk {
    /* An element begins; depth of the root is 1; the name is without its prefix. False: not the document we read. */
    bool (*enter)(struct xml_walk *w, struct span name, unsigned depth);
    /* It ends; `text` is what stood in it, for elements without children, and `cut` says that it was longer than
     * XML_TEXT_BYTES_MAX. May be NULL. */
    bool (*leave)(struct xml_walk *w, struct span name, unsigned depth, struct span text);
    void *ctx;
    bool wide; /* the limit is XML_WIDE_TEXT_BYTES_MAX: room for a URL-encoded key */
    bool cut;

    void *parser; /* from here on the walk's own */
    size_t memory_bytes;
    unsigned depth;
    bool refused;
    uint64_t fed_bytes;
    char text[XML_WIDE_TEXT_BYTES_MAX];
    size_t text_bytes;
};

/* A walk holds 256 KiB at most besides, whatever the document: one with more names, or a longer tag, is refused.
 * In pieces: begin, any number of feeds, end. After ERR_OK from begin, end must be called; it tells what a feed that
 * failed has told. ERR_INVALID, ERR_NOMEM. */
enum err xml_walk_begin(struct xml_walk *w) MUST_CHECK;
enum err xml_walk_feed(struct xml_walk *w, struct span piece) MUST_CHECK;
enum err xml_walk_end(struct xml_walk *w) MUST_CHECK;
/* Nothing of what was fed is put off, so `depth` is what it says: expat waits for more of a tag that is not whole, even when
 * the rest has come. */
bool xml_walk_is_even(const struct xml_walk *w);
/* In one. ERR_OK: well-formed to the end and nothing was refused. ERR_INVALID, ERR_TOO_LARGE, ERR_NOMEM. */
enum err xml_walk(struct xml_walk *w, struct span body, size_t bytes_max) MUST_CHECK;
/* Servers that keep a slow answer alive put spaces before the document, where XML has no place for them. */
struct span xml_skip_space(struct span body);
struct span xml_trim(struct span text);

#endif
