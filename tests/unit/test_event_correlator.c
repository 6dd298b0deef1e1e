#include "cubelet/clock.h"
#include "cubelet/event_correlator.h"
#include "cubelet/event_object.h"
#include "cubelet/json.h"
#include "cubelet/memory.h"
#include "cubelet/object_reference.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const int64_t START_NS = 1000 * NS_PER_S;

typedef struct {
    tree_t *tree;
    node_t pod, container, other;
    event_correlator_t *correlator;
} fixture_t;

static int
set_up (void **state)
{
    static const char POD[] =
        "{\"metadata\": {\"name\": \"p\", \"namespace\": \"n\", \"uid\": \"u\"},"
        " \"spec\": {\"containers\": [{\"name\": \"c\"}]}}";
    fault_t fault = { 0 };
    fixture_t *self = memory_new (1, sizeof *self);
    self->tree = json_read (POD, strlen (POD), &fault);
    self->pod = object_reference_pod (self->tree, tree_root (self->tree), NULL);
    self->container = object_reference_pod (self->tree, tree_root (self->tree), "c");
    self->other = object_reference_node (self->tree, "node");
    self->correlator = event_correlator_new();
    *state = self;
    return 0;
}

static int
tear_down (void **state)
{
    fixture_t *self = *state;
    tree_destroy (&self->tree);
    event_correlator_destroy (&self->correlator);
    free (self);
    return 0;
}

static event_verdict_t
see (fixture_t *self, const node_t *object, const char *reason, const char *message, int64_t at_s)
{
    return event_correlate (self->correlator, object, "Normal", reason, message,
                            START_NS + at_s * NS_PER_S);
}

static void
the_same_event_again_is_counted (void **state)
{
    fixture_t *self = *state;
    event_verdict_t first = see (self, &self->container, "Pulled", "m", 0);
    assert_false (first.is_again);
    assert_int_equal (first.count, 1);
    assert_int_equal (first.first_ns, START_NS);
    for (int i = 2; i < 5; i++) {
        event_verdict_t again = see (self, &self->container, "Pulled", "m", i);
        assert_true (again.is_again);
        assert_int_equal (again.count, i);
        assert_int_equal (again.first_ns, START_NS);
        assert_int_equal (again.name_ns, first.name_ns);
    }
}

static void
anything_different_makes_a_new_event (void **state)
{
    fixture_t *self = *state;
    see (self, &self->container, "Pulled", "m", 0);
    assert_false (see (self, &self->container, "Pulling", "m", 1).is_again);
    assert_false (see (self, &self->container, "Pulled", "n", 2).is_again);
    assert_false (see (self, &self->pod, "Pulled", "m", 3).is_again);
    assert_false (see (self, &self->other, "Pulled", "m", 4).is_again);
    assert_false (
        event_correlate (self->correlator, &self->container, "Warning", "Pulled", "m", START_NS)
            .is_again);
}

static void
ten_different_messages_are_combined (void **state)
{
    fixture_t *self = *state;
    char message[2] = "a";
    for (int i = 0; i < 9; i++, message[0]++)
        assert_false (see (self, &self->container, "Unhealthy", message, i).is_combined);
    event_verdict_t tenth = see (self, &self->container, "Unhealthy", "ten", 9);
    assert_true (tenth.is_combined);
    assert_false (tenth.is_again);
    event_verdict_t eleventh = see (self, &self->container, "Unhealthy", "eleven", 10);
    assert_true (eleventh.is_combined && eleventh.is_again);
    assert_int_equal (eleventh.count, 2);
    assert_int_equal (eleventh.name_ns, tenth.name_ns);
    // another container of the pod counts as well: the group knows no fieldPath
    assert_true (see (self, &self->pod, "Unhealthy", "twelve", 11).is_combined);
    // a pause of more than 600 s starts over
    assert_false (see (self, &self->container, "Unhealthy", "late", 11 + 601).is_combined);
}

static void
a_flood_about_one_object_is_dropped (void **state)
{
    fixture_t *self = *state;
    for (int i = 0; i < 25; i++)
        assert_false (see (self, &self->container, "BackOff", "m", 0).is_dropped);
    assert_true (see (self, &self->container, "BackOff", "m", 0).is_dropped);
    assert_true (see (self, &self->pod, "Other", "m", 1).is_dropped);
    assert_false (see (self, &self->other, "Other", "m", 1).is_dropped);
    event_verdict_t late = see (self, &self->container, "BackOff", "m", 302);
    assert_false (late.is_dropped);
    assert_int_equal (late.count, 27);
}

static void
events_look_as_in_the_api (void **state)
{
    fixture_t *self = *state;
    event_t event = { &self->container, "Normal", "Pulled", "Container image \"a\"" };
    event_verdict_t verdict = { .count = 3, .first_ns = START_NS, .name_ns = 0x17e2 };
    verdict.is_combined = true;
    node_t object =
        event_object (self->tree, &event, &verdict, "lab-node", START_NS + 60 * NS_PER_S);
    OWNED (free_text) char *json = json_write (&object, JSON_COMPACT, NULL);
    assert_string_equal (
        json, "{\"kind\":\"Event\",\"apiVersion\":\"v1\","
              "\"metadata\":{\"name\":\"p.17e2\",\"namespace\":\"n\"},"
              "\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":\"n\",\"name\":\"p\","
              "\"uid\":\"u\",\"apiVersion\":\"v1\",\"fieldPath\":\"spec.containers{c}\"},"
              "\"reason\":\"Pulled\","
              "\"message\":\"(combined from similar events): Container image \\\"a\\\"\","
              "\"source\":{\"component\":\"kubelet\",\"host\":\"lab-node\"},"
              "\"firstTimestamp\":\"1970-01-01T00:16:40Z\","
              "\"lastTimestamp\":\"1970-01-01T00:17:40Z\",\"count\":3,\"type\":\"Normal\","
              "\"eventTime\":null,\"reportingComponent\":\"kubelet\",\"reportingInstance\":\"lab-"
              "node\"}");
}

static void
events_look_as_in_upstreams_log (void **state)
{
    fixture_t *self = *state;
    event_t event = { &self->container, "Normal", "Pulled", "Container image \"a\"\n" };
    OWNED (free_text) char *line = event_log_text (&event);
    assert_string_equal (line, "Event occurred object=\"n/p\" fieldPath=\"spec.containers{c}\" "
                               "kind=\"Pod\" apiVersion=\"v1\" type=\"Normal\" reason=\"Pulled\" "
                               "message=\"Container image \\\"a\\\"\\n\"");
    event_t node_event = { &self->other, "Normal", "Starting", "Starting kubelet." };
    OWNED (free_text) char *node_line = event_log_text (&node_event);
    assert_string_equal (node_line, "Event occurred object=\"node\" fieldPath=\"\" kind=\"Node\" "
                                    "apiVersion=\"\" type=\"Normal\" reason=\"Starting\" "
                                    "message=\"Starting kubelet.\"");
}

int
main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown (the_same_event_again_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown (anything_different_makes_a_new_event, set_up, tear_down),
        cmocka_unit_test_setup_teardown (ten_different_messages_are_combined, set_up, tear_down),
        cmocka_unit_test_setup_teardown (a_flood_about_one_object_is_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown (events_look_as_in_the_api, set_up, tear_down),
        cmocka_unit_test_setup_teardown (events_look_as_in_upstreams_log, set_up, tear_down),
    };
    return cmocka_run_group_tests (tests, NULL, NULL);
}
