/* RFC 9110 section 13: what is compared, and in which order.
 *
 *   1. If-Match: none of its ETags is ours --> 412
 *   2. without If-Match, If-Unmodified-Since: modified after it --> 412
 *   3. If-None-Match: one of its ETags is ours --> 304 (a write: 412)
 *   4. without If-None-Match, If-Modified-Since: not modified after it --> 304 */
#include "s3/condition.h"

#include "s3/date.h"

static const struct span *find(const struct http_header *conditions, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (span_ieq(conditions[i].name, span_of(name)))
            return &conditions[i].value;
    return NULL;
}

static bool cut_weak(struct span *etag)
{
    bool weak = span_starts(*etag, SPAN("W/"));

    if (weak)
        *etag = span_skip(*etag, 2);
    return weak;
}

static struct span without_quotes(struct span etag)
{
    if (etag.len >= 2 && etag.at[0] == '"' && etag.at[etag.len - 1] == '"')
        return (struct span){etag.at + 1, etag.len - 2};
    return etag;
}

/* The next of the list; a comma inside quotes is part of an ETag. */
static struct span next_etag(struct span *list)
{
    bool quoted = false;
    size_t i = 0;
    struct span etag;

    for (; i < list->len && (quoted || list->at[i] != ','); i++)
        quoted ^= list->at[i] == '"';
    etag = span_trim(span_head(*list, i));
    *list = span_skip(*list, i + 1);
    return etag;
}

bool s3_etag_listed(struct span list, struct span etag, bool weakly)
{
    bool etag_weak = cut_weak(&etag);

    if (span_is(span_trim(list), "*"))
        return true;
    while (list.len && etag.len) {
        struct span one = next_etag(&list);
        bool weak = cut_weak(&one) || etag_weak;

        if (one.len && (weakly || !weak) && span_eq(without_quotes(one), without_quotes(etag)))
            return true;
    }
    return false;
}

/* False too when one of the two is no date: the condition is then ignored. */
static bool modified_after(const struct s3_current *current, struct span since, bool *known)
{
    uint64_t then, modified;

    *known = s3_http_date_parse(since, &then) && s3_http_date_parse(current->last_modified, &modified);
    return *known && modified > then;
}

enum s3_code s3_condition_read(const struct http_header *conditions, size_t count,
                               const struct s3_current *current)
{
    const struct span *match = find(conditions, count, "if-match"),
                      *none = find(conditions, count, "if-none-match"),
                      *since = find(conditions, count, "if-modified-since"),
                      *until = find(conditions, count, "if-unmodified-since");
    bool known;

    if (!current->exists)
        return S3_OK;
    if (match && !s3_etag_listed(*match, current->etag, false))
        return S3_PRECONDITION_FAILED;
    if (!match && until && modified_after(current, *until, &known))
        return S3_PRECONDITION_FAILED;
    if (none)
        return s3_etag_listed(*none, current->etag, true) ? S3_NOT_MODIFIED : S3_OK;
    if (since && !modified_after(current, *since, &known) && known)
        return S3_NOT_MODIFIED;
    return S3_OK;
}

enum s3_code s3_condition_source(const struct http_header *conditions, size_t count,
                                 const struct s3_current *current)
{
    enum s3_code code = s3_condition_read(conditions, count, current);

    return code == S3_NOT_MODIFIED ? S3_PRECONDITION_FAILED : code;
}

enum s3_code s3_condition_check_write(const struct http_header *conditions, size_t count,
                                      const char **message)
{
    const struct span *match = find(conditions, count, "if-match"),
                      *none = find(conditions, count, "if-none-match");

    *message = NULL;
    if (find(conditions, count, "if-modified-since") || find(conditions, count, "if-unmodified-since"))
        *message = "If-Modified-Since and If-Unmodified-Since are conditions of reads.";
    else if (match && none)
        *message = "If-Match and If-None-Match exclude each other.";
    return *message ? S3_NOT_IMPLEMENTED : S3_OK;
}

enum s3_code s3_condition_write(const struct http_header *conditions, size_t count,
                                const struct s3_current *current)
{
    const struct span *match = find(conditions, count, "if-match"),
                      *none = find(conditions, count, "if-none-match");

    if (match && !current->exists)
        return S3_NO_SUCH_KEY;
    if (match && !s3_etag_listed(*match, current->etag, false))
        return S3_PRECONDITION_FAILED;
    if (none && current->exists && s3_etag_listed(*none, current->etag, true))
        return S3_PRECONDITION_FAILED;
    return S3_OK;
}
