// SPDX-License-Identifier: MIT

#include "peer/downloads/download-choice.h"

#include <stdio.h>
#include <strings.h>

static bool download_choice_fits(const DownloadFilter *filter, const Record *record) {
    return (!filter->has_type || strcasecmp(filter->type, record->type) == 0) &&
           (!filter->has_size || filter->size == record->size) &&
           (!filter->has_address || address_equal(&filter->address, &record->endpoint.address)) &&
           (!filter->has_port || filter->port == record->endpoint.port) &&
           (!filter->has_root ||
            (record->has_root && merkle_hash_equal(&filter->root, &record->root)));
}

static bool download_choice_same_file(const Record *a, const Record *b) {
    return a->has_root ? merkle_hash_equal(&a->root, &b->root) : record_same_file(a, b);
}

// Returns the most common size among the records of this file.
static uint64_t download_choice_common_size(const Record *const fitting[], size_t n,
                                            const Record *file) {
    size_t best_count = 0;
    uint64_t best = file->size;

    for (size_t i = 0; i < n; i++) {
        size_t count = 0;

        for (size_t j = 0; j < n; j++)
            count +=
                download_choice_same_file(file, fitting[j]) && fitting[j]->size == fitting[i]->size;
        if (download_choice_same_file(file, fitting[i]) && count > best_count) {
            best_count = count;
            best = fitting[i]->size;
        }
    }
    return best;
}

static void download_choice_add_source(DownloadChoice *choice, const Endpoint *endpoint) {
    for (size_t i = 0; i < choice->source_count; i++)
        if (endpoint_equal(&choice->sources[i], endpoint))
            return;
    choice->sources[choice->source_count++] = *endpoint;
}

void download_choose(const Record records[], size_t n, const DownloadFilter *filter,
                     const Endpoint *self, DownloadChoice *ret) {
    const Record *fitting[RESULTS_MAX], *file;
    bool rooted = false;
    size_t count = 0;

    *ret = (DownloadChoice){};
    for (size_t i = 0; i < n && i < RESULTS_MAX; i++) {
        const Record *record = &records[i];

        if (!download_choice_fits(filter, record) ||
            (self && endpoint_equal(self, &record->endpoint)))
            continue;
        if (record->has_root && !rooted)
            count = 0; // drops the records without a root
        rooted |= record->has_root;
        if (record->has_root == rooted)
            fitting[count++] = record;
    }
    if (count == 0)
        return;
    file = fitting[0];
    ret->file_count = 1;
    for (size_t i = 1; i < count; i++) {
        size_t j = 0;

        while (j < i && !download_choice_same_file(fitting[i], fitting[j]))
            j++;
        ret->file_count += j == i;
    }
    snprintf(ret->text.name, sizeof(ret->text.name), "%s", file->name);
    snprintf(ret->text.type, sizeof(ret->text.type), "%s", file->type);
    ret->size = download_choice_common_size(fitting, count, file);
    ret->has_root = rooted;
    ret->root = file->root;
    for (size_t i = 0; i < count; i++)
        if (download_choice_same_file(file, fitting[i]) && fitting[i]->size == ret->size)
            download_choice_add_source(ret, &fitting[i]->endpoint);
}

void download_choice_explain_none(const Record records[], size_t n, const DownloadFilter *filter,
                                  const char *file_name,
                                  char message[static DOWNLOAD_EXPLANATION_MAX]) {
    DownloadChoice with_self;

    download_choose(records, n, filter, NULL, &with_self);
    snprintf(message, DOWNLOAD_EXPLANATION_MAX,
             n == 0                     ? "nobody shares \"%s\""
             : with_self.file_count > 0 ? "only this peer shares \"%s\""
                                        : "nobody shares \"%s\" with that type, size, address, "
                                          "port or root",
             file_name);
}
