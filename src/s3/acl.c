/* What a grant says beside the owner's FULL_CONTROL is told from what is no such document: the one is not supported, the
 * other is wrong. */
#include "s3/acl.h"

#include "s3/document.h"
#include "s3/xml_read.h"

enum { ACL_BYTES_MAX = 64 * 1024 };

struct span s3_acl_document(struct arena *arena, struct span owner)
{
    struct span id = s3_xml_escape(arena, owner);

    if (!id.at)
        return id;
    return arena_printf(
        arena,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<Owner><ID>%.*s</ID><DisplayName>%.*s</DisplayName></Owner><AccessControlList><Grant>"
        "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "
        "xsi:type=\"CanonicalUser\"><ID>%.*s</ID><DisplayName>%.*s</DisplayName></Grantee>"
        "<Permission>FULL_CONTROL</Permission></Grant></AccessControlList>"
        "</AccessControlPolicy>",
        SPAN_ARG(id), SPAN_ARG(id), SPAN_ARG(id), SPAN_ARG(id));
}

struct reader {
    struct span owner;
    bool list;                /* <AccessControlList> is there */
    bool grantee, permission; /* of the grant under way */
    bool full;                /* the owner has been granted FULL_CONTROL */
    bool other;               /* somebody else, or something else */
};

static bool enter(struct xml_walk *w, struct span name, unsigned depth)
{
    struct reader *r = w->ctx;

    if (depth == 1)
        return span_is(name, "AccessControlPolicy");
    if (depth == 2) {
        if (span_is(name, "Owner"))
            return true;
        if (!span_is(name, "AccessControlList") || r->list)
            return false;
        r->list = true;
    } else if (depth == 3 && r->list && span_is(name, "Grant")) {
        r->grantee = r->permission = false;
    }
    return true;
}

static bool leave(struct xml_walk *w, struct span name, unsigned depth, struct span text)
{
    struct reader *r = w->ctx;

    text = xml_trim(text);
    if (depth == 5 && span_is(name, "ID")) {
        r->grantee = true;
        r->other |= !span_eq(text, r->owner);
    } else if (depth == 5 && (span_is(name, "URI") || span_is(name, "EmailAddress"))) {
        r->grantee = r->other = true;
    } else if (depth == 4 && span_is(name, "Permission")) {
        r->permission = true;
        r->other |= !span_is(text, "FULL_CONTROL");
    } else if (depth == 3 && span_is(name, "Grant")) {
        r->full = true;
        return r->grantee && r->permission;
    } else if (depth == 3 && span_is(name, "ID")) {
        r->other |= !span_eq(text, r->owner);
    }
    return true;
}

enum err s3_acl_parse(struct span body, struct span owner)
{
    struct reader r = {.owner = owner};
    struct xml_walk w = {.enter = enter, .leave = leave, .ctx = &r};
    enum err e = xml_walk(&w, xml_skip_space(body), ACL_BYTES_MAX);

    if (e != ERR_OK)
        return e == ERR_NOMEM ? e : ERR_INVALID;
    if (!r.list)
        return ERR_INVALID;
    return r.full && !r.other ? ERR_OK : ERR_MISMATCH;
}
