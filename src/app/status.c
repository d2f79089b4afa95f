/* A small blocking HTTP client, so that `status` and `retry` work whatever state the gateway is in: one request, one answer,
 * the connection ends. The gateway prints the tables itself (Accept: text/plain); there is nothing to parse here. */
#include "app/status.h"

#include "app/config_table.h"
#include "http/message.h"
#include "s3/request.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

enum { WAIT_S = 60, ANSWER_BYTES_MAX = 64 * 1024 * 1024, ARENA_BYTES = 64 * 1024 };

static int failed(const char *admin, const char *what)
{
    fprintf(stderr, "s3mirror: the gateway's admin port %s: %s\n", admin, what);
    return 1;
}

/* An address that is listened on everywhere is reached on this machine. */
static void to_this_machine(struct config_address *a)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&a->at;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a->at;

    if (v4->sin_family == AF_INET && v4->sin_addr.s_addr == htonl(INADDR_ANY))
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else if (v6->sin6_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
        v6->sin6_addr = in6addr_loopback;
}

static int connect_to(const struct config_address *a)
{
    struct timeval wait = {.tv_sec = WAIT_S};
    int fd = socket(a->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    if (connect(fd, (const struct sockaddr *)&a->at, a->len) == 0)
        return fd;
    close(fd);
    return -1;
}

/* BUCKET[/KEY] as a path: the first slash ends the bucket's name, the others belong to the key. */
static struct span request_of(struct arena *arena, const char *admin, const char *page, const char *what,
                              bool json)
{
    struct span path = s3_path_encode(arena, span_of(what ? what : ""));

    if (!path.at)
        return path;
    return arena_printf(arena, "%s%s%.*s HTTP/1.1\r\nHost: %s\r\nAccept: %s\r\nConnection: close\r\n\r\n",
                        page, path.len ? "/" : "", SPAN_ARG(path), admin,
                        json ? "application/json" : "text/plain");
}

static bool send_all(int fd, struct span s)
{
    while (s.len) {
        ssize_t sent = send(fd, s.at, s.len, MSG_NOSIGNAL);

        if (sent < 0)
            return false;
        s = span_skip(s, (size_t)sent);
    }
    return true;
}

/* Everything until the other side ends; NULL with errno when it does not come. */
static char *receive_all(int fd, size_t *len)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t got;

    *len = 0;
    do {
        if (*len == room) {
            char *more = realloc(text, room = room ? 2 * room : 16 * 1024);

            if (!more || room > ANSWER_BYTES_MAX) {
                free(more ? more : text);
                errno = ENOMEM;
                return NULL;
            }
            text = more;
        }
        got = recv(fd, text + *len, room - *len, 0);
        if (got > 0)
            *len += (size_t)got;
    } while (got > 0);
    if (got == 0)
        return text;
    free(text);
    return NULL;
}

static int print_answer(const char *admin, struct span text)
{
    struct http_head *head = malloc(sizeof(*head));
    const char *why = "the answer is cut off";
    struct span body = SPAN_EMPTY;
    enum err e = head ? http_parse_answer(text, head, NULL, &why) : ERR_NOMEM;
    int result = 1;

    if (e == ERR_OK)
        body = span_skip(text, head->head_bytes);
    if (e != ERR_OK || (head->has_length && body.len != head->length)) {
        failed(admin, why ? why : "no HTTP there");
    } else if (head->status != 200) {
        fprintf(stderr, "s3mirror: %.*s", SPAN_ARG(body));
        if (!body.len || body.at[body.len - 1] != '\n')
            fprintf(stderr, "(status %u)\n", head->status);
    } else {
        fwrite(body.at, 1, body.len, stdout);
        result = 0;
    }
    free(head);
    return result;
}

static int ask(const char *admin, const struct config_address *address, struct span request)
{
    int fd = connect_to(address), result;
    char *text = NULL;
    size_t len;

    if (fd < 0)
        return failed(admin, errno == ECONNREFUSED ? "nobody listens there; does the gateway run?"
                                                   : strerror(errno));
    if (send_all(fd, request))
        text = receive_all(fd, &len);
    result = text ? print_answer(admin, (struct span){text, len})
                  : failed(admin, errno == EAGAIN ? "no answer in time" : strerror(errno));
    free(text);
    close(fd);
    return result;
}

static int ask_page(const char *admin, const char *page, const char *what, bool json)
{
    static const struct config_row row = {.type = CONFIG_ADDRESS};
    struct config_address address = {.len = 0};
    struct arena arena;
    struct span request;
    const char *wrong;
    int result;

    arena_init(&arena, ARENA_BYTES);
    wrong = config_value_parse(&arena, &row, span_of(admin), "", &address);
    request = request_of(&arena, admin, page, what, json);
    if (wrong)
        result = failed(admin, wrong);
    else if (!request.at)
        result = failed(admin, "the key is too long");
    else {
        to_this_machine(&address);
        result = ask(admin, &address, request);
    }
    arena_fini(&arena);
    return result;
}

int status_print(const char *admin, const char *what, bool json)
{
    return ask_page(admin, "GET /status", what, json);
}

int status_retry(const char *admin, const char *what, bool json)
{
    return ask_page(admin, "POST /retry", what, json);
}
