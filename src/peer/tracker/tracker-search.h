// SPDX-License-Identifier: MIT
#pragma once

// The searches of an FtClient, in the order in which FT answers them. Internal to tracker-client.

#include "peer/tracker/tracker-client.h"

TAILQ_HEAD(FtSearchList, FtSearch);

// Whether FT knows words. Until that is known, the question in the old way goes right behind each FIND: the first answer
// shows it.
typedef enum FtFinds {
    FINDS_UNKNOWN,
    FINDS_YES,
    FINDS_NO,
} FtFinds;

typedef struct FtSearchQueue {
    struct FtSearchList list;
    FtFinds finds; // in this session
    size_t count;
    sd_event_source *timer; // for the first one: nothing is answered before it
    FtClient *client;
} FtSearchQueue;

int ft_search_queue_init(FtSearchQueue *queue, sd_event *event, FtClient *client);
void ft_search_queue_done(FtSearchQueue *queue);

int ft_search_queue_add(FtSearchQueue *queue, const char *file_name, FtSearchHandler handler,
                        void *userdata, FtSearch **ret);
int ft_search_queue_add_find(FtSearchQueue *queue, const FindRequest *request,
                             FtFindHandler handler, void *userdata, FtSearch **ret);

// Writes what may be asked now: everything at once, and FIND, if FT has shown that it is one of ours, which answers each
// question, in their order; else one at a time. 0 or -ENOMEM.
int ft_search_queue_send(FtSearchQueue *queue, Buffer *out, Framing framing, bool ours);
// Takes FT's answer to the first one. False: nothing was asked.
bool ft_search_queue_answer(FtSearchQueue *queue, const Message *answer);
// The session is gone: ask again in the next one.
void ft_search_queue_rewind(FtSearchQueue *queue);
// There will be no next one soon.
void ft_search_queue_fail(FtSearchQueue *queue, int error);

// tracker-client.c: a search was not answered in time.
void ft_client_search_timed_out(FtClient *client);
