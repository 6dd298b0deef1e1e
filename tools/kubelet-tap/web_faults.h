/* web_faults.h - asks the agent which fault rules are in force, without waiting for the answer. */
#pragma once
#include <stdbool.h>

typedef struct web_faults web_faults_t;

/* `socket_dir`: where the agent's fault.sock is, or is not (no fault injection). */
web_faults_t *web_faults_new (const char *socket_dir);
void web_faults_destroy (web_faults_t **self_p);

/* Takes the answer to the last question and asks again. Returns JSON, owned: {"enabled":true,
   "rules":[...]} as kubelet-fault's list, or {"enabled":false} where there is no fault injection.
   NULL: no answer yet. */
char *web_faults_poll (web_faults_t *self);
