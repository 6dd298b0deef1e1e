/* helper_logind.h - a private D-Bus, and what systemd-logind and systemd serve on it, as far as the
   agent asks for it; for actor tests and, as the program fake-logind, for node tests. */
#pragma once
#include <stdint.h>
#include <sys/types.h>

/* A dbus-daemon of its own in `directory`; its address goes to DBUS_SYSTEM_BUS_ADDRESS, so that
   this process takes it for the system's. Returns its process; private_bus_stop ends it. */
pid_t private_bus_start (const char *directory);
void private_bus_stop (pid_t pid);

/* Serves on the bus of DBUS_SYSTEM_BUS_ADDRESS until `commands` ends. It is logind's drop-in
   `conf` ("": none) that a SIGHUP has it read; before it waits `delay_s`.

   Each byte of `commands` is an order: 't' says that the machine goes down, 'f' that it does not
   after all. Each line of `news` is something that has happened: "ready", "inhibited WHAT WHO WHY
   MODE", "released", "reloaded". Returns 0, or -1 when there is no bus. */
int fake_logind_run (const char *conf, int64_t delay_s, int commands, int news);
