/* real.h - floating point numbers as text: the shortest that reads back as the same number, laid
   out as Go lays it out, since that is what the API's clients compare with. */
#pragma once

/* Room for every text these functions write, the NUL included. */
#define REAL_TEXT_MAX 40

/* As encoding/json: 0.25, 1000, 1e+21, 1e-7. What JSON cannot hold (an infinity, not a number)
   reads null. Returns `out`. */
char *real_text (double value, char out[static REAL_TEXT_MAX]);

/* As sigs.k8s.io/yaml writes a map key: in single precision, 1.5, 1e+06, .inf, -.inf, .nan.
   Returns `out`. */
char *real_key (double value, char out[static REAL_TEXT_MAX]);
