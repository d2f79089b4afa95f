/* sim_script.h - the stories of which every step is tried as a point of crash. */
#ifndef SIM_SIM_SCRIPT_H
#define SIM_SIM_SCRIPT_H

#include "sim_world.h"

extern const struct script sim_scripts[];
extern const size_t sim_script_count;

#endif
