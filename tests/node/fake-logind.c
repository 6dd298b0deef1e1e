/* fake-logind.c - systemd-logind's part in a shutdown, on the bus of DBUS_SYSTEM_BUS_ADDRESS.

   usage: fake-logind DELAY_SECONDS
   Orders come from standard input, news go to standard output (tests/actors/helper_logind.h). */
#include "helper_logind.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int
main (int argc, char **argv)
{
    if (argc != 2) {
        fprintf (stderr, "usage: fake-logind DELAY_SECONDS\n");
        return 2;
    }
    return fake_logind_run ("", atoll (argv[1]), STDIN_FILENO, STDOUT_FILENO) < 0;
}
