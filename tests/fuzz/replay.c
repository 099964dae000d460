// SPDX-License-Identifier: MIT

// Runs a fuzz target over all files in the given directories, or over given files, with any
// compiler. A directory without files is an error, because a test that runs nothing must not pass.

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "util/macro.h"

static int replay_file(const char *path) {
    _cleanup_free_ char *data = NULL;
    struct stat st;
    FILE *file;
    size_t n;

    file = fopen(path, "re");
    if (!file || fstat(fileno(file), &st) < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        if (file)
            fclose(file);
        return -1;
    }
    // Allocate exactly the size of the input, so that a sanitizer detects reads past its end.
    data = malloc(st.st_size > 0 ? st.st_size : 1);
    n = data ? fread(data, 1, st.st_size, file) : 0;
    fclose(file);
    if (!data || n != (size_t)st.st_size)
        return -1;
    printf("%s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput((const uint8_t *)data, n);
    return 1;
}

static int replay_directory(const char *path) {
    struct dirent *entry;
    int count = 0;
    DIR *dir;

    dir = opendir(path);
    if (!dir)
        return errno == ENOTDIR ? replay_file(path) : -1;
    while (count >= 0 && (entry = readdir(dir))) {
        char name[4096];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        count = replay_file(name) < 0 ? -1 : count + 1;
    }
    closedir(dir);
    return count;
}

int main(int argc, char *argv[]) {
    for (int i = 1; i < argc; i++)
        if (replay_directory(argv[i]) <= 0) {
            fprintf(stderr, "%s: nothing to replay\n", argv[i]);
            return EXIT_FAILURE;
        }
    // An empty input is an input, too.
    LLVMFuzzerTestOneInput(NULL, 0);
    return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
