/*     form = "--" boundary CRLF *( part CRLF "--" boundary CRLF ) file CRLF "--" boundary ... "--" CRLF
 *     part = *( header CRLF ) CRLF value
 *
 * The fields are few and small: they are taken apart in memory that holds them from the first byte on, a part when it is
 * whole, and again from the same place when it was not. The file is never held: whoever passes it on looks for
 * the boundary in it (s3_form_scan), because a file's length is reckoned from the request's and would otherwise
 * swallow whatever parts follow it. */
#include "s3/form.h"

enum { PART_HEADERS_MAX = 8 };

static enum s3_form_step refuse(struct s3_form *f, enum s3_code code, const char *message)
{
    f->state = S3_FORM_BAD;
    f->code = code;
    f->message = message;
    return S3_FORM_REFUSED;
}

static enum s3_form_step malformed(struct s3_form *f, const char *message)
{
    return refuse(f, S3_MALFORMED_POST_REQUEST, message);
}

static const char *find(struct span text, struct span what)
{
    return text.len ? memmem(text.at, text.len, what.at, what.len) : NULL;
}

/* ---- parameters: ; name=value, the value maybe quoted ---- */

/* Cuts the next parameter off *rest. False: there is none, or it is malformed (*bad). */
static bool next_parameter(struct span *rest, struct span *name, struct span *value, bool *bad)
{
    struct span text = span_trim(*rest);
    size_t end;

    *bad = false;
    if (text.len == 0)
        return false;
    *bad = true;
    if (text.at[0] != ';')
        return false;
    text = span_trim(span_skip(text, 1));
    end = span_find(text, '=');
    *name = span_trim(span_head(text, end));
    if (end == text.len || name->len == 0)
        return false;
    text = span_skip(text, end + 1);
    if (text.len && text.at[0] == '"') {
        text = span_skip(text, 1);
        for (end = 0; end < text.len && text.at[end] != '"'; end++)
            end += text.at[end] == '\\' && end + 1 < text.len && text.at[end + 1] == '"';
        if (end >= text.len)
            return false;
        *value = span_head(text, end);
        *rest = span_skip(text, end + 1);
    } else {
        end = span_find(text, ';');
        *value = span_trim(span_head(text, end));
        *rest = span_skip(text, end);
    }
    *bad = false;
    return true;
}

/* RFC 2046 section 5.1.1: what a boundary is made of; no space at its end. */
static bool is_boundary(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];

        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              (c && strchr("'()+_,-./:=? ", c))))
            return false;
    }
    return s.len && s.len <= S3_FORM_BOUNDARY_CHARS_MAX && s.at[s.len - 1] != ' ';
}

enum s3_code s3_form_init(struct s3_form *f, struct span content_type, const char **message)
{
    struct span name, value, boundary = {NULL, 0}, rest = content_type, type;
    bool bad;

    *f = (struct s3_form){.state = S3_FORM_START, .file_name = SPAN_EMPTY};
    type = span_trim(span_head(rest, span_find(rest, ';')));
    rest = span_skip(rest, span_find(rest, ';'));
    if (!span_ieq(type, SPAN("multipart/form-data"))) {
        *message = "Bucket POST must be of the enclosure-type multipart/form-data";
        return S3_PRECONDITION_FAILED;
    }
    while (next_parameter(&rest, &name, &value, &bad)) {
        if (!span_ieq(name, SPAN("boundary")))
            continue;
        bad = boundary.at;
        boundary = value;
        if (bad)
            break;
    }
    if (bad || !boundary.at || !is_boundary(boundary)) {
        *message = "The Content-Type names no boundary of 1 to 70 characters.";
        return S3_MALFORMED_POST_REQUEST;
    }
    f->delimiter_len = (size_t)(span_put(span_put(f->delimiter, SPAN("\r\n--")), boundary) - f->delimiter);
    return S3_OK;
}

static struct span delimiter(const struct s3_form *f)
{
    return (struct span){f->delimiter, f->delimiter_len};
}

/* ---- a part's headers ---- */

/* What they say. */
struct part {
    struct span name, file_name; /* at == NULL: not said */
    const char *wrong;
};

static void read_disposition(struct part *p, struct span value)
{
    struct span name, text, rest = span_skip(value, span_find(value, ';'));
    bool bad;

    if (p->name.at || !span_ieq(span_trim(span_head(value, span_find(value, ';'))), SPAN("form-data")))
        p->wrong = "A part of the form has no Content-Disposition: form-data, or two.";
    while (next_parameter(&rest, &name, &text, &bad)) {
        struct span *place = span_ieq(name, SPAN("name"))       ? &p->name
                             : span_ieq(name, SPAN("filename")) ? &p->file_name
                                                                : NULL;

        if (place && place->at)
            p->wrong = "A part's Content-Disposition says something twice.";
        else if (place)
            *place = text;
    }
    if (bad)
        p->wrong = "A part's Content-Disposition is malformed.";
}

static void read_header(struct part *p, struct span line)
{
    struct span value = line, name = span_cut(&value, ':');

    value = span_trim(value);
    if (name.len == 0 || name.len == line.len || name.at[0] == ' ' || name.at[0] == '\t')
        p->wrong = "A header of a part is malformed.";
    else if (span_ieq(name, SPAN("content-disposition")))
        read_disposition(p, value);
    else if (span_ieq(name, SPAN("content-transfer-encoding")) && !span_ieq(value, SPAN("binary")) &&
             !span_ieq(value, SPAN("8bit")) && !span_ieq(value, SPAN("7bit")))
        p->wrong = "A part has a Content-Transfer-Encoding; forms are sent as they are.";
}

static void read_headers(struct part *p, struct span text)
{
    *p = (struct part){0};
    for (int i = 0; text.len && !p->wrong; i++) {
        const char *end = find(text, SPAN("\r\n"));
        struct span line = span_head(text, end ? (size_t)(end - text.at) : text.len);

        if (i == PART_HEADERS_MAX)
            p->wrong = "A part has too many headers.";
        else
            read_header(p, line);
        text = span_skip(text, line.len + 2);
    }
    if (!p->wrong && (!p->name.at || p->name.len == 0))
        p->wrong = "A part of the form has no name.";
}

/* Browsers of old send the path as well. */
static struct span base_name(struct span path)
{
    size_t at = path.len;

    while (at && path.at[at - 1] != '/' && path.at[at - 1] != '\\')
        at--;
    return span_skip(path, at);
}

/* ---- parts ---- */

const struct span *s3_form_value(const struct s3_form *f, const char *name)
{
    for (size_t i = 0; i < f->field_count; i++)
        if (span_ieq(f->fields[i].name, span_of(name)))
            return &f->fields[i].value;
    return NULL;
}

static bool is_text(struct span s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.at[i] < 0x20 || s.at[i] == 0x7f)
            return false;
    return span_is_utf8(s);
}

static bool is_there(const struct s3_form *f, struct span name)
{
    for (size_t i = 0; i < f->field_count; i++)
        if (span_ieq(f->fields[i].name, name))
            return true;
    return false;
}

static enum s3_form_step add_field(struct s3_form *f, struct span name, struct span value)
{
    if (!is_text(name))
        return malformed(f, "The name of a field has control characters, or is not UTF-8.");
    if (is_there(f, name))
        return malformed(f, "A field of the form is there twice.");
    f->field_bytes += name.len + value.len;
    if (f->field_count == S3_FORM_FIELDS_MAX || f->field_bytes > S3_FORM_FIELD_BYTES_MAX)
        return refuse(f, S3_POST_TOO_LARGE, NULL);
    f->fields[f->field_count++] = (struct s3_form_field){name, value};
    return S3_FORM_MORE;
}

/* The part at f->at, which is behind a boundary and its CR LF. */
static enum s3_form_step read_part(struct s3_form *f, struct span text)
{
    struct span rest = span_skip(text, f->at), value;
    const char *headers_end = find(rest, SPAN("\r\n\r\n")), *end;
    struct part p;
    enum s3_form_step step;

    if (!headers_end)
        return S3_FORM_MORE;
    read_headers(&p, span_head(rest, (size_t)(headers_end - rest.at)));
    if (p.wrong)
        return malformed(f, p.wrong);
    value = span_skip(rest, (size_t)(headers_end - rest.at) + 4);
    if (span_ieq(p.name, SPAN("file"))) {
        f->file_name = p.file_name.at ? base_name(p.file_name) : SPAN_EMPTY;
        f->file_at = (size_t)(value.at - text.at);
        f->state = S3_FORM_AT_FILE;
        return f->file_at <= S3_FORM_HEAD_BYTES_MAX ? S3_FORM_FILE : refuse(f, S3_POST_TOO_LARGE, NULL);
    }
    end = find(value, delimiter(f));
    if (!end || (size_t)(value.at + value.len - end) < f->delimiter_len + 2)
        return S3_FORM_MORE;
    step = add_field(f, p.name, span_head(value, (size_t)(end - value.at)));
    if (step != S3_FORM_MORE)
        return step;
    f->at = (size_t)(end - text.at) + f->delimiter_len;
    if (memcmp(text.at + f->at, "--", 2) == 0)
        return refuse(f, S3_INVALID_ARGUMENT, "POST requires exactly one file upload per request.");
    if (memcmp(text.at + f->at, "\r\n", 2) != 0)
        return malformed(f, "A boundary of the form is not followed by CR LF.");
    f->at += 2;
    return S3_FORM_MORE;
}

enum s3_form_step s3_form_read(struct s3_form *f, struct span text)
{
    size_t before;

    switch (f->state) {
    case S3_FORM_AT_FILE: return S3_FORM_FILE;
    case S3_FORM_BAD: return S3_FORM_REFUSED;
    case S3_FORM_START:
        if (text.len < f->delimiter_len)
            return S3_FORM_MORE;
        if (memcmp(text.at, f->delimiter + 2, f->delimiter_len - 2) != 0 ||
            memcmp(text.at + f->delimiter_len - 2, "\r\n", 2) != 0)
            return malformed(f, "The form does not begin with its boundary.");
        f->at = f->delimiter_len;
        f->state = S3_FORM_PART;
        break;
    case S3_FORM_PART: break;
    }
    do {
        enum s3_form_step step;

        before = f->at;
        step = read_part(f, text);
        if (step != S3_FORM_MORE)
            return step;
    } while (f->at != before);
    return text.len < S3_FORM_HEAD_BYTES_MAX ? S3_FORM_MORE : refuse(f, S3_POST_TOO_LARGE, NULL);
}

/* ---- the file ---- */

size_t s3_form_tail(const struct s3_form *f, char out[static S3_FORM_TAIL_MAX])
{
    return (size_t)(span_put(span_put(out, delimiter(f)), SPAN("--\r\n")) - out);
}

/* Does the form's last boundary stand there, with the CR LF behind it or without? */
static bool ends_in_order(const struct s3_form *f, struct span text)
{
    char tail[S3_FORM_TAIL_MAX];
    size_t len = s3_form_tail(f, tail);

    return span_ends(text, (struct span){tail, len}) || span_ends(text, (struct span){tail, len - 2});
}

bool s3_form_file_end(const struct s3_form *f, struct span file, size_t *bytes)
{
    const char *end = find(file, delimiter(f));
    struct span behind;

    if (!end || !ends_in_order(f, file))
        return false;
    *bytes = (size_t)(end - file.at);
    behind = span_skip(file, *bytes + f->delimiter_len);
    return span_starts(behind, SPAN("\r\n")) || span_is(behind, "--") || span_is(behind, "--\r\n");
}

void s3_form_scan_init(struct s3_form_scan *s, const struct s3_form *f)
{
    s->form = f;
    s->kept = 0;
}

/* What is kept is too short to hold a delimiter; with as much of the next piece it shows any that lies across. */
bool s3_form_scan(struct s3_form_scan *s, struct span piece)
{
    size_t most = s->form->delimiter_len - 1, across = piece.len < most ? piece.len : most, drop;

    memcpy(s->last + s->kept, piece.at, across);
    if (find((struct span){s->last, s->kept + across}, delimiter(s->form)) || find(piece, delimiter(s->form)))
        return true;
    if (piece.len >= most) {
        memcpy(s->last, piece.at + piece.len - most, most);
        s->kept = most;
        return false;
    }
    s->kept += piece.len;
    drop = s->kept > most ? s->kept - most : 0;
    memmove(s->last, s->last + drop, s->kept - drop);
    s->kept -= drop;
    return false;
}
