// SPDX-License-Identifier: MIT

#include "ctl/ft-admin.h"

#include "bus/names.h"
#include "ctl/connection.h"
#include "ctl/failure.h"
#include "ctl/found.h"
#include "ctl/output.h"
#include "ctl/table.h"
#include "ctl/target.h"

static ExitStatus ft_admin_print_json(const Ctl *ctl, const FoundList *found) {
    json_t *document = document_new(), *records = json_array();

    for (size_t i = 0; i < found->n; i++) {
        const Found *record = &found->records[i];
        char root[MERKLE_TEXT_BYTES + 1] = "";

        if (record->has_root)
            merkle_hash_format(&record->root, root);
        json_array_append_new(records,
                              json_pack("{ss ss sI ss so ss si}", "name", record->name, "type",
                                        record->type, "size", (json_int_t)record->size, "modified",
                                        record->modified, "root", json_text(root), "address",
                                        record->address, "port", (int)record->port));
    }
    json_object_set_new(document, "records", records);
    return document_print(ctl, document);
}

static ExitStatus ft_admin_print_table(const Ctl *ctl, const FoundList *found) {
    static const Column columns[] = {
        {"NAME", false, 2, 12},    {"TYPE", false, 1, 6}, {"SIZE", true, 0, 0},
        {"MODIFIED", false, 0, 0}, {"ROOT", false, 0, 0}, {"PEER", false, 0, 0},
    };
    _cleanup_(table_freep) Table *table = table_new(columns, ELEMENTSOF(columns));
    TableStyle style = output_table_style(ctl);

    if (!table)
        return fail_memory();
    for (size_t i = 0; i < found->n; i++) {
        const Found *record = &found->records[i];
        _cleanup_free_ char *peer = found_endpoint(record);
        char root[MERKLE_TEXT_BYTES + 1] = "-";

        if (record->has_root)
            merkle_hash_format(&record->root, root);
        table_add(table, record->name);
        table_add(table, record->type);
        table_add_size(table, record->size);
        table_add(table, record->modified);
        table_addf(table, "%.*s", ROOT_DIGITS_MIN, root);
        table_add(table, peer ?: "");
    }
    return table_print(table, &style, stdout) < 0 ? fail_memory() : STATUS_DONE;
}

ExitStatus ft_admin_lookup(Ctl *ctl, const char *name) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    _cleanup_(found_list_clear) FoundList found = {};
    ExitStatus status;
    int r;

    if (target_check_name(name) < 0)
        return STATUS_USAGE;
    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    r = sd_bus_call_method(ctl->bus, BUS_FT_NAME, BUS_FT_PATH, BUS_FT_INTERFACE, "Lookup", &error,
                           &reply, "s", name);
    if (r >= 0)
        r = found_read(reply, &found);
    if (r < 0)
        return bus_failed(ctl, &SERVICE_FT, &error, r);
    status = ctl->json     ? ft_admin_print_json(ctl, &found)
             : found.n > 0 ? ft_admin_print_table(ctl, &found)
                           : STATUS_DONE;
    if (status != STATUS_DONE || found.n > 0)
        return status;
    ctl_error("no peer has registered \"%s\".", name);
    return STATUS_NOTHING;
}

ExitStatus ft_admin_kick(Ctl *ctl, const char *address) {
    _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    uint32_t n;
    int r;

    if (ctl_connect(ctl) < 0)
        return STATUS_UNAVAILABLE;
    r = sd_bus_call_method(ctl->bus, BUS_FT_NAME, BUS_FT_PATH, BUS_FT_INTERFACE, "Kick", &error,
                           &reply, "s", address);
    if (r >= 0)
        r = sd_bus_message_read(reply, "u", &n);
    if (r < 0)
        return bus_failed(ctl, &SERVICE_FT, &error, r);
    if (n == 0) {
        ctl_error("there is no session from %s.", address);
        ctl_hint("Try: p2pctl ft peers");
        return STATUS_NOTHING;
    }
    printf(
        "%u session%s ended. A peer joins again by itself, unless deny in section [ft] names it.\n",
        n, n == 1 ? "" : "s");
    return STATUS_DONE;
}
