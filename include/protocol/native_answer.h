/* The JSON answer of /v1/events and /v1/validate. */
#ifndef HEADGATE_PROTOCOL_NATIVE_ANSWER_H
#define HEADGATE_PROTOCOL_NATIVE_ANSWER_H

#include "protocol/protocol.h"

void native_answer(const struct protocol_verdicts *verdicts, struct arena *arena, struct protocol_answer *out);
/* One entry of the answer's `events`. */
void native_answer_entry(const struct event *ev, struct buffer *out);

#endif
