/* request_stage.h - a request from readable text through s3_request_parse, for the tests of its parts. */
#ifndef TEST_REQUEST_STAGE_H
#define TEST_REQUEST_STAGE_H

#include "s3/request.h"

#include "head_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

static struct arena arena;
static struct http_head head;
static struct s3_request request;
static const char *message;

static inline int stage_setup(void **state)
{
    arena_init(&arena, 256 * 1024);
    return 0;
}

static inline int stage_teardown(void **state)
{
    arena_fini(&arena);
    return 0;
}

static inline enum s3_code parse_as(const char *text, enum s3_proof proof, const struct s3_domains *domains)
{
    arena_reset(&arena);
    head_from_text(&head, span_of(text));
    return s3_request_parse(&request, &head, proof, domains, &arena, &message);
}

static inline enum s3_code parse(const char *text)
{
    return parse_as(text, S3_PROOF_HEADER, NULL);
}

static inline void expect_as(const char *text, enum s3_proof proof, enum s3_code code, const char *says)
{
    enum s3_code got = parse_as(text, proof, NULL);

    if (got != code || (says && (!message || !strstr(message, says))))
        fail_msg("%s: %s, %s", text, s3_error(got)->name, message ? message : "(the table's message)");
}

static inline void expect(const char *text, enum s3_code code, const char *says)
{
    expect_as(text, S3_PROOF_HEADER, code, says);
}

#endif
