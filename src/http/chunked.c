/* chunked.c - decoder of the chunked transfer coding, RFC 9112 section 7.1.
 *
 *     chunk     = 1*HEXDIG *extension CRLF data CRLF
 *     body      = *chunk 1*"0" *extension CRLF *( name ":" value CRLF ) CRLF
 *     extension = ";" name [ "=" ( token / quoted-string ) ]       ; without the white space of bad senders
 *
 * A byte-wise machine for the lines, a jump over the data. Extensions and trailer fields mean nothing
 * to us; they are checked for form, because a decoder that skips what it does not understand is one
 * that can be made to see another end of the message than the next one does, and counted, because a
 * megabyte of extension for each byte of body is an attack. */
#include "http/message.h"

#include <strings.h>

enum {
    EXTENSION_BYTES_MAX = 1024, /* a line */
    TRAILER_BYTES_MAX = 8192,   /* all fields together */
    SIZE_DIGITS_MAX = 15,       /* so that 64 bits cannot overflow */
};

enum {
    SIZE_FIRST, /* at least one digit must come */
    SIZE,
    EXT_NAME_FIRST, /* at least one character must come */
    EXT_NAME,
    EXT_VALUE_FIRST, /* likewise, or a quote */
    EXT_VALUE,
    EXT_QUOTED,
    EXT_ESCAPED,
    EXT_QUOTED_END,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_START, /* of a line: a name, or the CR that ends it all */
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    ENDED,
};

static bool is_token(unsigned char ch)
{
    return (ch >= '0' && ch <= '9') || (ch >= 'A' && ch <= 'Z') || (ch >= 'a' && ch <= 'z') ||
           (ch && strchr("!#$%&'*+-.^_`|~", ch));
}

static bool is_text(unsigned char ch)
{
    return ch == '\t' || (ch >= ' ' && ch != 0x7f);
}

static int hex_digit(char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    if (ch >= 'a' && ch <= 'f')
        return ch - 'a' + 10;
    if (ch >= 'A' && ch <= 'F')
        return ch - 'A' + 10;
    return -1;
}

void http_chunked_init(struct http_chunked *c)
{
    *c = (struct http_chunked){.state = SIZE_FIRST};
}

uint64_t http_chunked_data_left(const struct http_chunked *c)
{
    return c->state == DATA ? c->left : 0;
}

/* Where the element of a size line that `ch` ends may be followed by another, or by the line's end. */
static bool next_element(struct http_chunked *c, char ch)
{
    c->state = ch == ';' ? EXT_NAME_FIRST : SIZE_LF;
    return ch == ';' || ch == '\r';
}

/* One byte of the size. */
static bool step_size(struct http_chunked *c, char ch)
{
    int digit = hex_digit(ch);

    if (digit < 0) {
        bool any = c->state == SIZE;

        c->line_bytes = 0;
        return next_element(c, ch) && any;
    }
    if (c->line_bytes++ == SIZE_DIGITS_MAX)
        return false;
    c->left = c->left * 16 + (unsigned)digit;
    c->state = SIZE;
    return true;
}

/* One byte of an extension, or of the end of the size line. */
static bool step_extension(struct http_chunked *c, char ch)
{
    bool token = is_token((unsigned char)ch);

    if (c->line_bytes++ == EXTENSION_BYTES_MAX)
        return false;
    switch (c->state) {
    case EXT_NAME_FIRST: c->state = EXT_NAME; return token;
    case EXT_NAME:
        if (ch == '=')
            c->state = EXT_VALUE_FIRST;
        return token || ch == '=' || next_element(c, ch);
    case EXT_VALUE_FIRST: c->state = ch == '"' ? EXT_QUOTED : EXT_VALUE; return token || ch == '"';
    case EXT_VALUE: return token || next_element(c, ch);
    case EXT_QUOTED:
        if (ch == '"')
            c->state = EXT_QUOTED_END;
        else if (ch == '\\')
            c->state = EXT_ESCAPED;
        return is_text((unsigned char)ch);
    case EXT_ESCAPED: c->state = EXT_QUOTED; return is_text((unsigned char)ch);
    case EXT_QUOTED_END: return next_element(c, ch);
    default: /* SIZE_LF */
        c->state = c->left ? DATA : TRAILER_START;
        c->line_bytes = 0;
        return ch == '\n';
    }
}

/* RFC 9110 section 6.5.1: fields that frame a message have no place behind it. */
static bool may_trail(const struct http_chunked *c)
{
    static const char *const framing[] = {"content-length", "transfer-encoding"};

    for (size_t i = 0; i < sizeof(framing) / sizeof(framing[0]); i++)
        if (c->name_chars == strlen(framing[i]) && strncasecmp(c->name, framing[i], c->name_chars) == 0)
            return false;
    return true;
}

/* Keeps the name as far as may_trail needs it. */
static bool note_name(struct http_chunked *c, char ch)
{
    if (c->name_chars < sizeof(c->name))
        c->name[c->name_chars] = ch;
    if (c->name_chars <= sizeof(c->name)) /* one more stands for "longer" */
        c->name_chars++;
    return is_token((unsigned char)ch);
}

/* One byte of the trailer section, or of the line end after a chunk's data. */
static bool step_trailer(struct http_chunked *c, char ch)
{
    if (c->state > DATA_LF && c->line_bytes++ == TRAILER_BYTES_MAX)
        return false;
    switch (c->state) {
    case DATA_CR: c->state = DATA_LF; return ch == '\r';
    case DATA_LF: c->state = SIZE_FIRST; return ch == '\n';
    case TRAILER_START:
        c->state = ch == '\r' ? LAST_LF : TRAILER_NAME;
        c->name_chars = 0;
        return ch == '\r' || note_name(c, ch);
    case TRAILER_NAME:
        if (ch != ':')
            return note_name(c, ch);
        c->state = TRAILER_VALUE;
        return may_trail(c);
    case TRAILER_VALUE:
        if (ch == '\r')
            c->state = TRAILER_LF;
        return ch == '\r' || is_text((unsigned char)ch);
    case TRAILER_LF: c->state = TRAILER_START; return ch == '\n';
    default: /* LAST_LF */ c->state = ENDED; return ch == '\n';
    }
}

enum err http_chunked_feed(struct http_chunked *c, const char *in, size_t len, size_t *used, size_t *data,
                           size_t *data_len)
{
    size_t i = 0;

    *used = *data = *data_len = 0;
    while (i < len && c->state != DATA && c->state != ENDED) {
        bool good = c->state <= SIZE  ? step_size(c, in[i])
                    : c->state < DATA ? step_extension(c, in[i])
                                      : step_trailer(c, in[i]);

        if (!good)
            return ERR_PROTOCOL;
        i++;
    }
    if (c->state == DATA && i < len) {
        *data = i;
        *data_len = c->left < len - i ? (size_t)c->left : len - i;
        i += *data_len;
        c->left -= *data_len;
        if (c->left == 0)
            c->state = DATA_CR;
    }
    *used = i;
    return c->state == ENDED ? ERR_EOF : ERR_OK;
}
