/* helper_samples.h - an upstream kubelet's conversation with its API server, line by line
   (tests/samples/api-requests.jsonl). */
#pragma once
#include "cubelet/tree.h"

/* The conversation's line `number`, counted from 1: {verb uri code request response}. Ends the test
   when there is none. Owned. */
tree_t *sample_request (int number);

/* A whole JSON file of tests/samples. Owned. */
tree_t *sample_file (const char *name);

/* Ends the test unless both are the same JSON text, the order of keys aside; nulls count. */
void assert_same_json (const node_t *actual, const node_t *expected);
void assert_json (const node_t *actual, const char *expected);
