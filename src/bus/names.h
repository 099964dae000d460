// SPDX-License-Identifier: MIT
#pragma once

// Every name on D-Bus, once: what the daemons offer and p2pctl calls. dbus/*.xml describes them.

#define BUS_PEER_NAME          "org.p2pshare.Peer1"
#define BUS_PEER_PATH          "/org/p2pshare/Peer1"
#define BUS_PEER_INTERFACE     "org.p2pshare.Peer1"
#define BUS_TRANSFER_INTERFACE "org.p2pshare.Transfer1"
#define BUS_TRANSFER_PREFIX    BUS_PEER_PATH "/transfer"
#define BUS_FT_NAME            "org.p2pshare.FileTracker1"
#define BUS_FT_PATH            "/org/p2pshare/FileTracker1"
#define BUS_FT_INTERFACE       "org.p2pshare.FileTracker1"

// Errors that a method returns, or that a failed transfer has.
#define BUS_ERROR_PREFIX           "org.p2pshare.Error."
#define BUS_ERROR_NOT_JOINED       BUS_ERROR_PREFIX "NotJoined"     // no session with FT
#define BUS_ERROR_NO_ANSWER        BUS_ERROR_PREFIX "NoAnswer"      // FT did not answer in time
#define BUS_ERROR_INVALID_NAME     BUS_ERROR_PREFIX "InvalidName"   // no file can have that name
#define BUS_ERROR_INVALID_OPTION   BUS_ERROR_PREFIX "InvalidOption" // unknown, or a bad value
#define BUS_ERROR_CONFIGURATION    BUS_ERROR_PREFIX "InvalidConfiguration" // the file is wrong
#define BUS_ERROR_TOO_MANY         BUS_ERROR_PREFIX "TooMany" // transfers or searches at once
#define BUS_ERROR_NO_SUCH_TRANSFER BUS_ERROR_PREFIX "NoSuchTransfer" // or it has ended
#define BUS_ERROR_NOT_SUPPORTED    BUS_ERROR_PREFIX "NotSupported"   // by this kind of transfer
#define BUS_ERROR_NOT_FOUND        BUS_ERROR_PREFIX "NotFound"       // nobody shares it
#define BUS_ERROR_AMBIGUOUS        BUS_ERROR_PREFIX "Ambiguous"      // several files of that name
#define BUS_ERROR_NO_SOURCE        BUS_ERROR_PREFIX "NoSource"       // no source delivered the file
#define BUS_ERROR_NO_SPACE         BUS_ERROR_PREFIX "NoSpace"        // the destination is full
#define BUS_ERROR_DESTINATION      BUS_ERROR_PREFIX "Destination"    // cannot be written
#define BUS_ERROR_EXISTS           BUS_ERROR_PREFIX "Exists"         // the destination exists
