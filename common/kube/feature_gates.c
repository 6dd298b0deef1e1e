#include "cubelet/feature_gates.h"

static const struct {
    const char *name, *stage;
    bool is_on;
} GATES[] = {
#define GATE_ROW(id, name, stage, is_on) [GATE_##id] = { name, stage, is_on },
    FEATURE_GATES (GATE_ROW)
#undef GATE_ROW
};

const char *
feature_gate_name (feature_gate_t gate)
{
    return GATES[gate].name;
}

const char *
feature_gate_stage (feature_gate_t gate)
{
    return GATES[gate].stage;
}

bool
feature_gate_is_on (const node_t *set, feature_gate_t gate)
{
    return node_get_bool (set, GATES[gate].name, GATES[gate].is_on);
}
