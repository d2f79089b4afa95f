/* A form has the names of header fields, with few exceptions: acl stands for x-amz-acl, and some are about the form
 * itself. What is left becomes a head, which s3_request_parse judges as it judges any PUT's: one table says what S3 knows.
 *
 * A value comes from a text area as well as from a signed head: what would not fit into a header field's line is refused. */
#include "gateway/post_fields.h"

static const struct span nothing = {"", 0};

#define refuse(arena, message, code, ...) (*(message) = arena_printf((arena), __VA_ARGS__).at, (code))

static struct span value_of(const struct s3_form *form, const char *name)
{
    const struct span *value = s3_form_value(form, name);

    return value ? *value : nothing;
}

/* ---- the key ---- */

static enum s3_code expand_key(const struct s3_form *form, struct arena *arena, struct span *out,
                               const char **message)
{
    static const struct span variable = SPAN("${filename}");
    struct span rest = value_of(form, "key");
    char *key = arena_alloc(arena, S3_KEY_BYTES_MAX), *p = key;

    if (!s3_form_value(form, "key"))
        return refuse(arena, message, S3_INVALID_ARGUMENT,
                      "Bucket POST must contain a field named 'key'. If it is specified, please check the "
                      "order of the fields.");
    if (!key)
        return S3_INTERNAL_ERROR;
    while (rest.len) {
        bool here = span_starts(rest, variable);
        struct span piece = here ? form->file_name : span_head(rest, 1);

        if (piece.len > S3_KEY_BYTES_MAX - (size_t)(p - key))
            return S3_KEY_TOO_LONG;
        p = span_put(p, piece);
        rest = span_skip(rest, here ? variable.len : 1);
    }
    *out = (struct span){key, (size_t)(p - key)};
    if (out->len == 0)
        return refuse(arena, message, S3_INVALID_ARGUMENT, "User key must have a length greater than 0.");
    return S3_OK;
}

/* ---- header fields ---- */

/* About the form, or the proof in it. */
static bool is_forms_own(struct span name)
{
    static const char *const names[] = {"x-amz-algorithm", "x-amz-credential", "x-amz-date",
                                        "x-amz-signature", "x-amz-meta-"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (span_ieq(name, span_of(names[i])))
            return true;
    return false;
}

/* The name of the header field that it stands for; empty when it stands for none. */
static struct span header_name(struct span name)
{
    static const struct span amz = SPAN("x-amz-");

    if (span_ieq(name, SPAN("acl")))
        return SPAN("x-amz-acl");
    if (is_forms_own(name))
        return nothing;
    if (s3_header_is_stored(name) || span_ieq(name, SPAN("content-md5")) ||
        span_ieq(span_head(name, amz.len), amz))
        return name;
    return nothing;
}

static enum s3_code take_headers(struct post_fields *out, const struct s3_form *form, struct arena *arena,
                                 const char **message)
{
    for (size_t i = 0; i < form->field_count; i++) {
        struct span field = form->fields[i].name, name = header_name(field),
                    value = span_trim(form->fields[i].value);

        if (span_ieq(field, SPAN("tagging")))
            return refuse(arena, message, S3_NOT_IMPLEMENTED,
                          "The form field 'tagging' is not implemented. Tags can be put after the upload.");
        /* Browsers send fields that nobody filled in. */
        if (name.len == 0 || (value.len == 0 && s3_header_is_stored(name)))
            continue;
        if (!http_is_token(name) || !http_is_value(value))
            return refuse(arena, message, S3_INVALID_ARGUMENT,
                          "The form field '%.*s' has a name or a value that is none of a header.",
                          SPAN_ARG(span_head(field, 80)));
        out->headers[out->header_count++] = (struct http_header){name, value};
    }
    return S3_OK;
}

/* ---- what success is answered with ---- */

static bool is_address(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] <= 0x20 || (unsigned char)s.at[i] >= 0x7f)
            return false;
    return span_starts(s, SPAN("http://")) || span_starts(s, SPAN("https://"));
}

/* As S3: what is no address, and a status that is none of three, count as not there. */
static void take_success(struct post_fields *out, const struct s3_form *form)
{
    const struct span *page = s3_form_value(form, "success_action_redirect");
    struct span status = value_of(form, "success_action_status");

    if (!page)
        page = s3_form_value(form, "redirect");
    out->redirect = page && is_address(*page) ? *page : nothing;
    out->status = span_is(status, "200") ? 200 : span_is(status, "201") ? 201 : 204;
}

/* ---- */

static enum s3_code parse_put(struct s3_request *put, const struct post_fields *fields,
                              const struct s3_request *form_request, struct span key, struct arena *arena,
                              const char **message)
{
    struct http_head *head = arena_zalloc(arena, sizeof(*head));
    struct span path = s3_path_encode(arena, key);
    enum s3_code code;
    bool is_put;

    if (!head || !path.at)
        return S3_INTERNAL_ERROR;
    head->method = HTTP_PUT;
    head->method_text = SPAN("PUT");
    head->target = arena_printf(arena, "/%.*s/%.*s", SPAN_ARG(form_request->bucket), SPAN_ARG(path));
    head->minor = 1;
    head->has_length = true;
    head->header_count = fields->header_count;
    memcpy(head->headers, fields->headers, fields->header_count * sizeof(fields->headers[0]));
    if (!head->target.at)
        return S3_INTERNAL_ERROR;
    code = s3_request_parse(put, head, S3_PROOF_FORM, NULL, arena, message);
    is_put = put->op == S3_OP_PUT_OBJECT && put->payload == S3_PAYLOAD_UNSIGNED;
    put->op = form_request->op;
    put->virtual_host = form_request->virtual_host;
    if (code == S3_OK && !is_put)
        return refuse(arena, message, S3_NOT_IMPLEMENTED,
                      "A form is neither a copy nor has its payload a hash or a framing of its own.");
    return code;
}

enum s3_code post_fields_read(struct post_fields *out, struct s3_request *put, const struct s3_form *form,
                              const struct s3_request *form_request, struct arena *arena,
                              const char **message)
{
    struct span key;
    enum s3_code code;

    *out = (struct post_fields){.redirect = nothing};
    *message = NULL;
    take_success(out, form);
    code = expand_key(form, arena, &key, message);
    if (code == S3_OK)
        code = take_headers(out, form, arena, message);
    if (code == S3_OK)
        code = parse_put(put, out, form_request, key, arena, message);
    return code;
}
