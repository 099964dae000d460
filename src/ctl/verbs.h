// SPDX-License-Identifier: MIT
#pragma once

// One function per verb. `argv` holds only the arguments of the verb, as many as verb-table.c
// allows. Each function has printed its errors when it returns.

#include "ctl/ctl.h"

ExitStatus verb_status(Ctl *ctl, int argc, char **argv);
ExitStatus verb_search(Ctl *ctl, int argc, char **argv);
ExitStatus verb_download(Ctl *ctl, int argc, char **argv);
ExitStatus verb_transfers(Ctl *ctl, int argc, char **argv);
ExitStatus verb_cancel(Ctl *ctl, int argc, char **argv);
ExitStatus verb_pause(Ctl *ctl, int argc, char **argv);
ExitStatus verb_resume(Ctl *ctl, int argc, char **argv);
ExitStatus verb_share(Ctl *ctl, int argc, char **argv);
ExitStatus verb_shares(Ctl *ctl, int argc, char **argv);
ExitStatus verb_rescan(Ctl *ctl, int argc, char **argv);
ExitStatus verb_leave(Ctl *ctl, int argc, char **argv);
ExitStatus verb_join(Ctl *ctl, int argc, char **argv);
ExitStatus verb_monitor(Ctl *ctl, int argc, char **argv);
ExitStatus verb_ft(Ctl *ctl, int argc, char **argv);
ExitStatus verb_verify(Ctl *ctl, int argc, char **argv);
ExitStatus verb_config(Ctl *ctl, int argc, char **argv);
ExitStatus verb_metrics(Ctl *ctl, int argc, char **argv);
ExitStatus verb_hash(Ctl *ctl, int argc, char **argv);
