/* The ring: bytes by absolute offset between one producer and its slowest reader. */
#include "fanout/ring.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { IOV = 8 };

/* The body's byte at an offset: no two chunks look alike. */
static char byte_at(uint64_t offset)
{
    return (char)(offset % 251 + offset / CHUNK_BYTES);
}

/* Produces up to `most` bytes; how many fitted. */
static uint64_t produce(struct ring *r, uint64_t most)
{
    uint64_t done = 0;

    while (done < most) {
        struct iovec room;
        size_t n;

        if (ring_room(r, &room) != ERR_OK)
            break;
        assert_true(room.iov_len >= 1);
        n = room.iov_len < most - done ? room.iov_len : (size_t)(most - done);
        for (size_t i = 0; i < n; i++)
            ((char *)room.iov_base)[i] = byte_at(r->end + i);
        ring_produced(r, n);
        done += n;
    }
    return done;
}

/* What a reader at `offset` is shown in up to `pieces` pieces; every byte is checked. */
static uint64_t shown(const struct ring *r, uint64_t offset, int pieces)
{
    struct iovec iov[IOV];
    int count = pieces;
    uint64_t at = offset;

    if (ring_peek(r, offset, iov, &count) == ERR_AGAIN) {
        assert_int_equal(count, 0);
        return 0;
    }
    assert_true(count >= 1 && count <= pieces);
    for (int i = 0; i < count; i++) {
        unsigned wrong = 0;

        assert_true(iov[i].iov_len > 0);
        for (size_t k = 0; k < iov[i].iov_len; k++, at++)
            wrong += ((char *)iov[i].iov_base)[k] != byte_at(at);
        assert_int_equal(wrong, 0);
    }
    return at - offset;
}

struct bed {
    struct chunk_budget budget;
    struct ring ring;
};

static void setup(struct bed *b, uint32_t budget_chunks, uint32_t ring_chunks)
{
    chunk_budget_init(&b->budget, (uint64_t)budget_chunks * CHUNK_BYTES);
    assert_int_equal(ring_init(&b->ring, &b->budget, ring_chunks), ERR_OK);
}

static void teardown(struct bed *b)
{
    ring_fini(&b->ring);
    assert_int_equal(chunk_taken(&b->budget), 0);
    chunk_budget_fini(&b->budget);
}

static void a_new_ring_holds_its_ticket_and_no_bytes(void **state)
{
    struct bed b;

    setup(&b, 64, 4);
    assert_int_equal(chunk_taken(&b.budget), 1);
    assert_false(ring_full(&b.ring));
    assert_int_equal(shown(&b.ring, 0, IOV), 0);
    teardown(&b);
}

static void without_a_chunk_in_the_budget_there_is_no_ring(void **state)
{
    struct chunk_budget budget;
    struct iovec room;
    struct ring r;

    chunk_budget_init(&budget, 0);
    assert_int_equal(ring_init(&r, &budget, 4), ERR_BUSY);
    assert_true(ring_full(&r));
    assert_int_equal(ring_room(&r, &room), ERR_AGAIN);
    ring_fini(&r);
    chunk_budget_fini(&budget);
}

static void a_ring_of_zeros_is_full_and_may_be_ended(void **state)
{
    struct ring r = {0};

    assert_true(ring_full(&r));
    ring_fini(&r);
    ring_fini(&r);
}

static void bytes_are_seen_from_every_offset_over_several_chunks(void **state)
{
    static const uint64_t offsets[] = {
        0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2ull * CHUNK_BYTES, 2ull * CHUNK_BYTES + 99};
    uint64_t end = 2ull * CHUNK_BYTES + 100;
    struct bed b;

    setup(&b, 64, 4);
    assert_int_equal(produce(&b.ring, end), end);
    for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        uint64_t in_chunk = CHUNK_BYTES - offsets[i] % CHUNK_BYTES, left = end - offsets[i];

        assert_int_equal(shown(&b.ring, offsets[i], IOV), left);
        assert_int_equal(shown(&b.ring, offsets[i], 1), in_chunk < left ? in_chunk : left);
    }
    assert_int_equal(shown(&b.ring, end, IOV), 0);
    teardown(&b);
}

static void it_takes_its_chunks_and_then_says_full(void **state)
{
    for (uint32_t chunks = 1; chunks <= 4; chunks++) {
        struct iovec room;
        struct bed b;

        setup(&b, 64, chunks);
        assert_int_equal(produce(&b.ring, UINT64_MAX), (uint64_t)chunks * CHUNK_BYTES);
        assert_true(ring_full(&b.ring));
        assert_int_equal(ring_room(&b.ring, &room), ERR_AGAIN);
        assert_int_equal(chunk_taken(&b.budget), chunks);
        teardown(&b);
    }
}

static void dropping_gives_whole_chunks_back_and_says_when_a_full_ring_has_room(void **state)
{
    static const struct {
        uint64_t drop;
        bool room;
        uint32_t chunks_left;
        uint64_t start;
    } rows[] = {
        {0, false, 2, 0},
        {1, false, 2, 0},
        {CHUNK_BYTES - 1, false, 2, 0},
        {CHUNK_BYTES, true, 1, CHUNK_BYTES},
        {2ull * CHUNK_BYTES - 1, true, 1, CHUNK_BYTES},
        {2ull * CHUNK_BYTES, true, 1, 2ull * CHUNK_BYTES},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bed b;

        setup(&b, 64, 2);
        produce(&b.ring, UINT64_MAX);
        assert_int_equal(ring_drop(&b.ring, rows[i].drop), rows[i].room);
        assert_int_equal(ring_full(&b.ring), !rows[i].room);
        assert_int_equal(chunk_taken(&b.budget), rows[i].chunks_left);
        assert_int_equal(b.ring.start, rows[i].start);
        assert_false(ring_drop(&b.ring, rows[i].drop)); /* nothing new the second time */
        assert_int_equal(shown(&b.ring, rows[i].drop, IOV), 2ull * CHUNK_BYTES - rows[i].drop);
        teardown(&b);
    }
}

static void a_drop_that_frees_a_ring_that_was_not_full_says_nothing(void **state)
{
    struct bed b;

    setup(&b, 64, 4);
    produce(&b.ring, CHUNK_BYTES + 5);
    assert_false(ring_drop(&b.ring, CHUNK_BYTES));
    assert_int_equal(b.ring.chunks, 1);
    assert_int_equal(shown(&b.ring, CHUNK_BYTES, IOV), 5);
    teardown(&b);
}

static void the_ticket_is_kept_when_everything_was_read(void **state)
{
    struct bed b;

    setup(&b, 1, 4); /* a budget of one chunk: the ring lives on its ticket alone */
    for (uint64_t round = 1; round <= 5; round++) {
        assert_int_equal(produce(&b.ring, UINT64_MAX), CHUNK_BYTES);
        assert_int_equal(chunk_taken(&b.budget), 1);
        assert_int_equal(shown(&b.ring, (round - 1) * CHUNK_BYTES, IOV), CHUNK_BYTES);
        ring_drop(&b.ring, round * CHUNK_BYTES);
        assert_int_equal(shown(&b.ring, round * CHUNK_BYTES, IOV), 0);
        assert_int_equal(chunk_taken(&b.budget), 1);
    }
    teardown(&b);
}

static void a_spent_budget_stops_it_before_its_own_limit_and_frees_it_again(void **state)
{
    struct chunk *others[7];
    struct bed b;

    setup(&b, 64, 4);
    for (int i = 0; i < 7; i++) {
        others[i] = chunk_take(&b.budget);
        assert_non_null(others[i]);
    }
    assert_int_equal(produce(&b.ring, UINT64_MAX), CHUNK_BYTES); /* the rest is for others */
    assert_false(ring_full(&b.ring));                            /* by itself it might have more */
    chunk_give(&b.budget, others[0]);
    assert_int_equal(produce(&b.ring, UINT64_MAX), CHUNK_BYTES);
    for (int i = 1; i < 7; i++)
        chunk_give(&b.budget, others[i]);
    assert_int_equal(produce(&b.ring, UINT64_MAX), 2ull * CHUNK_BYTES);
    assert_true(ring_full(&b.ring));
    teardown(&b);
}

static void a_long_body_wraps_with_readers_at_different_paces(void **state)
{
    enum { READERS = 3, CHUNKS = 3 };
    uint64_t offset[READERS] = {0}, body = 10ull * CHUNK_BYTES + 777, made = 0, least;
    struct random random;
    struct bed b;

    random_init(&random, 5);
    setup(&b, 64, CHUNKS);
    do {
        uint64_t some = random_below(&random, CHUNK_BYTES);

        made += produce(&b.ring, some < body - made ? some : body - made);
        least = made;
        for (int i = 0; i < READERS; i++) {
            uint64_t seen = shown(&b.ring, offset[i], (int)random_below(&random, 3) + 1);

            offset[i] += random_below(&random, seen + 1);
            least = offset[i] < least ? offset[i] : least;
        }
        ring_drop(&b.ring, least);
        assert_true(b.ring.start <= least && least <= b.ring.end);
        assert_true(b.ring.chunks <= CHUNKS);
        assert_int_equal(b.ring.chunks, chunk_taken(&b.budget));
    } while (least < body);
    assert_int_equal(b.ring.end, body);
    teardown(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_ring_holds_its_ticket_and_no_bytes),
        cmocka_unit_test(without_a_chunk_in_the_budget_there_is_no_ring),
        cmocka_unit_test(a_ring_of_zeros_is_full_and_may_be_ended),
        cmocka_unit_test(bytes_are_seen_from_every_offset_over_several_chunks),
        cmocka_unit_test(it_takes_its_chunks_and_then_says_full),
        cmocka_unit_test(dropping_gives_whole_chunks_back_and_says_when_a_full_ring_has_room),
        cmocka_unit_test(a_drop_that_frees_a_ring_that_was_not_full_says_nothing),
        cmocka_unit_test(the_ticket_is_kept_when_everything_was_read),
        cmocka_unit_test(a_spent_budget_stops_it_before_its_own_limit_and_frees_it_again),
        cmocka_unit_test(a_long_body_wraps_with_readers_at_different_paces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
