/* The intrusive list keeps order and never loses a node. */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct item {
    char name;
    struct list node;
};

static struct item items[] = {{.name = 'a'}, {.name = 'b'}, {.name = 'c'}, {.name = 'd'}};

/* The names in the list, forwards; checks that the way back is the same. */
static const char *names(const struct list *l)
{
    static char text[8];
    size_t n = 0, back = 0;

    for (const struct list *at = l->next; at != l; at = at->next)
        text[n++] = LIST_ENTRY(at, struct item, node)->name;
    text[n] = '\0';
    for (const struct list *at = l->prev; at != l; at = at->prev)
        assert_int_equal(LIST_ENTRY(at, struct item, node)->name, text[n - 1 - back++]);
    assert_int_equal(back, n);
    return text;
}

static void fill(struct list *l, const char *which)
{
    list_init(l);
    for (; *which; which++) {
        list_init(&items[*which - 'a'].node);
        list_append(l, &items[*which - 'a'].node);
    }
}

static void nodes_come_out_in_the_order_they_were_appended(void **state)
{
    struct list l;

    fill(&l, "");
    assert_true(list_empty(&l));
    assert_null(list_pop(&l));
    fill(&l, "abcd");
    assert_string_equal(names(&l), "abcd");
    for (const char *want = "abcd"; *want; want++) {
        struct list *node = list_pop(&l);

        assert_int_equal(LIST_ENTRY(node, struct item, node)->name, *want);
        assert_true(list_empty(node));
    }
    assert_true(list_empty(&l));
}

static void any_node_can_be_removed_also_twice(void **state)
{
    static const struct {
        char remove;
        const char *left;
    } rows[] = {{'a', "bcd"}, {'b', "acd"}, {'d', "abc"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct list l;

        fill(&l, "abcd");
        list_remove(&items[rows[i].remove - 'a'].node);
        list_remove(&items[rows[i].remove - 'a'].node);
        assert_string_equal(names(&l), rows[i].left);
    }
}

static void splice_moves_all_behind_what_is_there(void **state)
{
    static const struct {
        const char *to, *from, *after;
    } rows[] = {{"ab", "cd", "abcd"}, {"", "cd", "cd"}, {"ab", "", "ab"}, {"", "", ""}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct list to, from;

        fill(&to, rows[i].to);
        fill(&from, rows[i].from);
        list_splice(&to, &from);
        assert_string_equal(names(&to), rows[i].after);
        assert_true(list_empty(&from));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_come_out_in_the_order_they_were_appended),
        cmocka_unit_test(any_node_can_be_removed_also_twice),
        cmocka_unit_test(splice_moves_all_behind_what_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
