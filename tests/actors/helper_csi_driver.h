/* helper_csi_driver.h - a CSI node driver for tests: it registers by its socket, and really mounts:
   a volume is a directory below `data`, bound to where it is staged and published. */
#pragma once

typedef struct csi_driver csi_driver_t;

/* Serves registration and the Node service on `socket`, as the driver `name`. In the directory
   `data` it has its volumes (volumes/HANDLE), writes a line "METHOD JSON" to the file `calls` for
   every request, and reads the file `fault` before it answers: "METHOD CODE TEXT" makes that
   method fail, "METHOD hang" leaves it without an answer. `type` and `version` are told in GetInfo.
   Ends the program when it cannot. Owned. */
csi_driver_t *csi_driver_new (const char *socket, const char *name, const char *data,
                              const char *type, const char *version);

/* Stops it; the socket goes. */
void csi_driver_destroy (csi_driver_t **self_p);
