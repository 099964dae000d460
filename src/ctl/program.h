// SPDX-License-Identifier: MIT
#pragma once

// The other programs of p2pshare, to be run.

// The one beside this one, as in a build directory and as installed together; or `otherwise`. For posix_spawnp(). Caller
// frees; NULL = no memory.
char *program_path(const char *program, const char *otherwise);
