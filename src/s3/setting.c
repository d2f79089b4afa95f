/* Sub-resources of a bucket that are never configured here. Clients probe for them; each answers as S3 does for a bucket
 * that has none: an error of its own, or a document that says "off". */
#include "s3/setting.h"
#include "s3/request_parts.h"

#define XMLNS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static const struct setting_row {
    const char *query;
    enum s3_code code; /* S3_OK: `document` */
    const char *document;
} rows[] = {
    [S3_SETTING_POLICY] = {"policy", S3_NO_SUCH_BUCKET_POLICY},
    [S3_SETTING_POLICY_STATUS] = {"policyStatus", S3_NO_SUCH_BUCKET_POLICY},
    [S3_SETTING_CORS] = {"cors", S3_NO_SUCH_CORS_CONFIGURATION},
    [S3_SETTING_LIFECYCLE] = {"lifecycle", S3_NO_SUCH_LIFECYCLE_CONFIGURATION},
    [S3_SETTING_ENCRYPTION] = {"encryption", S3_NO_SUCH_ENCRYPTION_CONFIGURATION},
    [S3_SETTING_WEBSITE] = {"website", S3_NO_SUCH_WEBSITE_CONFIGURATION},
    [S3_SETTING_TAGGING] = {"tagging", S3_NO_SUCH_TAG_SET},
    [S3_SETTING_REPLICATION] = {"replication", S3_NO_SUCH_REPLICATION_CONFIGURATION},
    [S3_SETTING_OBJECT_LOCK] = {"object-lock", S3_NO_SUCH_OBJECT_LOCK_CONFIGURATION},
    [S3_SETTING_PUBLIC_ACCESS_BLOCK] = {"publicAccessBlock", S3_NO_SUCH_PUBLIC_ACCESS_BLOCK},
    [S3_SETTING_OWNERSHIP_CONTROLS] = {"ownershipControls", S3_NO_SUCH_OWNERSHIP_CONTROLS},
    [S3_SETTING_NOTIFICATION] = {"notification", S3_OK, "<NotificationConfiguration" XMLNS "/>"},
    [S3_SETTING_LOGGING] = {"logging", S3_OK, "<BucketLoggingStatus" XMLNS "/>"},
    [S3_SETTING_ACCELERATE] = {"accelerate", S3_OK, "<AccelerateConfiguration" XMLNS "/>"},
    [S3_SETTING_REQUEST_PAYMENT] = {"requestPayment", S3_OK,
                                    "<RequestPaymentConfiguration" XMLNS
                                    "><Payer>BucketOwner</Payer></RequestPaymentConfiguration>"},
};
_Static_assert(sizeof(rows) / sizeof(rows[0]) == S3_SETTING_COUNT, "a row per setting");

/* S3_SETTING_COUNT: it is none. */
static enum s3_setting by_name(struct span name)
{
    int i = 0;

    while (i < S3_SETTING_COUNT && !span_is(name, rows[i].query))
        i++;
    return (enum s3_setting)i;
}

bool s3_is_setting(struct span name)
{
    return by_name(name) != S3_SETTING_COUNT;
}

bool s3_setting_of_query(struct span query, enum s3_setting *out)
{
    while (query.len) {
        struct span value = span_cut(&query, '&');

        *out = by_name(span_cut(&value, '='));
        if (*out != S3_SETTING_COUNT)
            return true;
    }
    return false;
}

enum s3_code s3_setting_answer(enum s3_setting setting, struct span *document)
{
    *document = rows[setting].document ? span_of(rows[setting].document) : SPAN_EMPTY;
    return rows[setting].code;
}
