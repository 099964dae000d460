// SPDX-License-Identifier: MIT

#include "bus/bus-util.h"

#include <stdio.h>

void bus_format_date(const Date *date, char text[static BUS_DATE_MAX]) {
    snprintf(text, BUS_DATE_MAX, "%04u-%02u-%02u", date->year, date->month, date->day);
}

int bus_append_record(sd_bus_message *message, const Record *record) {
    char date[BUS_DATE_MAX], address[INET6_ADDRSTRLEN];

    bus_format_date(&record->modified, date);
    address_format(&record->endpoint.address, address);
    return sd_bus_message_append(message, "sstssq", record->name, record->type, record->size, date,
                                 address, record->endpoint.port);
}

int bus_append_endpoint(sd_bus_message *message, const Endpoint *endpoint) {
    char text[ENDPOINT_TEXT_MAX];

    endpoint_format(endpoint, text);
    return sd_bus_message_append(message, "s", text);
}
