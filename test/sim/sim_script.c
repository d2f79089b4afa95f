/* Scripted runs for a crash at every step: small stories of one key, without any other fault. */
#include "sim_script.h"

enum { TEN = 10, MANY = 1300 * 1024 };

const struct script sim_scripts[] = {
    {
        .name = "put on a clean key",
        .replicas = 3,
        .need = 1,
        .wait_all = true,
        .steps = {{SCRIPT_PUT, 0, .bytes = TEN}, {SCRIPT_GET, 300}},
    },
    {
        .name = "large put over an older object, quorum",
        .replicas = 3,
        .need = 2,
        .wait_all = true,
        .exists = true,
        .steps = {{SCRIPT_PUT, 0, .bytes = MANY}, {SCRIPT_GET, 20}, {SCRIPT_GET, 600}},
    },
    {
        .name = "put, answered as soon as one has it",
        .replicas = 2,
        .need = 1,
        .exists = true,
        .steps = {{SCRIPT_PUT, 0, .bytes = TEN}, {SCRIPT_GET, 40}, {SCRIPT_PUT, 60, .bytes = TEN}, {SCRIPT_GET, 100}},
    },
    {
        .name = "delete on a clean key",
        .replicas = 3,
        .need = 3,
        .wait_all = true,
        .exists = true,
        .steps = {{SCRIPT_DELETE, 0}, {SCRIPT_GET, 100}},
    },
    {
        .name = "overwrite with one replica down, repaired by a copy",
        .replicas = 2,
        .need = 1,
        .wait_all = true,
        .exists = true,
        .steps = {{SCRIPT_DOWN, 0, .slot = 1}, {SCRIPT_PUT, 10, .bytes = TEN}, {SCRIPT_UP, 200, .slot = 1}, {SCRIPT_GET, 400}},
    },
    {
        .name = "large put with one of three down, repaired by a copy",
        .replicas = 3,
        .need = 2,
        .wait_all = true,
        .steps = {{SCRIPT_DOWN, 0, .slot = 2}, {SCRIPT_PUT, 10, .bytes = MANY}, {SCRIPT_UP, 500, .slot = 2}},
    },
    {
        .name = "delete with one replica down, repaired by a delete",
        .replicas = 2,
        .need = 1,
        .wait_all = true,
        .exists = true,
        .steps = {{SCRIPT_DOWN, 0, .slot = 0}, {SCRIPT_DELETE, 10}, {SCRIPT_UP, 200, .slot = 0}, {SCRIPT_GET, 400}},
    },
    {
        .name = "put, then delete, while two of three are down",
        .replicas = 3,
        .need = 1,
        .wait_all = true,
        .exists = true,
        .steps = {{SCRIPT_DOWN, 0, .slot = 0}, {SCRIPT_DOWN, 0, .slot = 1}, {SCRIPT_PUT, 10, .bytes = TEN},
                  {SCRIPT_DELETE, 150}, {SCRIPT_UP, 400, .slot = 0}, {SCRIPT_UP, 500, .slot = 1}},
    },
    {
        .name = "two concurrent writers",
        .replicas = 2,
        .need = 1,
        .wait_all = true,
        .exists = true,
        .steps = {{SCRIPT_PUT, 0, .bytes = TEN}, {SCRIPT_PUT, 3, .bytes = TEN}, {SCRIPT_GET, 100}},
    },
    {
        .name = "a writer and a deleter on three replicas",
        .replicas = 3,
        .need = 1,
        .exists = true,
        .steps = {{SCRIPT_PUT, 0, .bytes = TEN}, {SCRIPT_DELETE, 5}, {SCRIPT_GET, 100}},
    },
    {
        .name = "a write in the middle of a repair",
        .replicas = 2,
        .need = 1,
        .wait_all = true,
        .exists = true,
        .steps = {{SCRIPT_DOWN, 0, .slot = 1}, {SCRIPT_PUT, 10, .bytes = MANY}, {SCRIPT_UP, 500, .slot = 1},
                  {SCRIPT_PUT, 760, .bytes = TEN}, {SCRIPT_GET, 900}},
    },
    {
        .name = "the replica that alone has it goes down",
        .replicas = 2,
        .need = 1,
        .wait_all = true,
        .exists = true,
        .steps = {{SCRIPT_DOWN, 0, .slot = 1}, {SCRIPT_PUT, 10, .bytes = TEN}, {SCRIPT_DOWN, 200, .slot = 0},
                  {SCRIPT_UP, 300, .slot = 1}, {SCRIPT_GET, 350}, {SCRIPT_PUT, 600, .bytes = TEN},
                  {SCRIPT_UP, 1200, .slot = 0}},
    },
};

const size_t sim_script_count = sizeof(sim_scripts) / sizeof(sim_scripts[0]);
