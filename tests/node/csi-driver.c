/* csi-driver.c - the CSI driver of the tests as a program: csi-driver SOCKET NAME DATA. Ends with
   SIGTERM, without its mounts: those stay, as a real driver's would. */
#include "helper_csi_driver.h"
#include <signal.h>
#include <stdio.h>

int
main (int argc, char **argv)
{
    sigset_t signals;
    int which;
    if (argc != 4) {
        fprintf (stderr, "usage: %s SOCKET NAME DATA\n", argv[0]);
        return 2;
    }
    sigemptyset (&signals);
    sigaddset (&signals, SIGTERM);
    sigaddset (&signals, SIGINT);
    sigprocmask (SIG_BLOCK, &signals, NULL);
    csi_driver_t *driver = csi_driver_new (argv[1], argv[2], argv[3], "CSIPlugin", "1.0.0");
    sigwait (&signals, &which);
    csi_driver_destroy (&driver);
    return 0;
}
