// SPDX-License-Identifier: MIT

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "ctl/connection.h"
#include "ctl/failure.h"
#include "ctl/format.h"
#include "ctl/output.h"
#include "ctl/table.h"
#include "ctl/transfer-info.h"
#include "ctl/verbs.h"

static int verb_transfers_add_row(Table *table, const TransferInfo *transfer, uint64_t now) {
    _cleanup_free_ char *name = transfer_info_file_name(transfer);
    _cleanup_free_ char *details = transfer_info_details(transfer);
    double rate = transfer_info_rate(transfer, now);
    char text[FORMAT_MAX];

    if (!name || !details)
        return -ENOMEM;
    table_addf(table, "%u", transfer->id);
    table_add(table, transfer->direction);
    table_add(table, name);
    table_add(table, transfer->state);
    if (transfer->size > 0) {
        table_addf(table, "%u%%", percent_of(transfer->transferred, transfer->size));
        table_add_size(table, transfer->size);
    } else {
        table_add(table, "-");
        table_add(table, "-  ");
    }
    if (rate > 0)
        format_rate(rate, text);
    table_add(table, rate > 0 ? text : "-");
    table_add(table, "");
    if (*details)
        table_add_note(table, details);
    return 0;
}

static ExitStatus verb_transfers_print_text(const Ctl *ctl, const TransferList *list) {
    static const Column columns[] = {
        {"ID", true, 0, 0},     {"DIRECTION", false, 0, 0}, {"NAME", false, 1, 12, true},
        {"STATE", false, 0, 0}, {"DONE", true, 0, 0},       {"SIZE", true, 0, 0},
        {"RATE", true, 0, 0},   {"DETAILS", false, 0, 0},
    };
    _cleanup_(table_freep) Table *table = table_new(columns, ELEMENTSOF(columns));
    uint64_t now = (uint64_t)time(NULL) * USEC_PER_SEC;
    TableStyle style = output_table_style(ctl);

    if (!table)
        return fail_memory();
    for (size_t i = 0; i < list->n; i++)
        if (verb_transfers_add_row(table, &list->transfers[i], now) < 0)
            return fail_memory();
    if (list->n > 0 && table_print(table, &style, stdout) < 0)
        return fail_memory();
    if (ctl->legend)
        printf(list->n == 0 ? "No transfers.\n" : "%zu transfer%s\n", list->n,
               list->n == 1 ? "" : "s");
    return STATUS_DONE;
}

static ExitStatus verb_transfers_print_json(const Ctl *ctl, const TransferList *list) {
    json_t *document = document_new(), *transfers = json_array();

    for (size_t i = 0; i < list->n; i++)
        json_array_append_new(transfers, transfer_info_json(&list->transfers[i]));
    json_object_set_new(document, "transfers", transfers);
    return document_print(ctl, document);
}

ExitStatus verb_transfers(Ctl *ctl, int argc _unused_, char **argv _unused_) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(transfer_list_clear) TransferList list = {};
    int r;

    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    r = transfer_list_get(ctl->bus, &list, &error);
    if (r < 0)
        return bus_failed(ctl, &SERVICE_PEER, &error, r);
    return ctl->json ? verb_transfers_print_json(ctl, &list)
                     : verb_transfers_print_text(ctl, &list);
}
