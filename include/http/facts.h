/* What a request's head and connection say about the person's side: address, browser, cookies, signals. */
#ifndef HEADGATE_HTTP_FACTS_H
#define HEADGATE_HTTP_FACTS_H

#include "http/exchange.h"

/* The client's address, the one that trusted proxies name included. */
struct address facts_client(const struct exchange *ex);
/* The slices live as long as the request. */
void facts_collect(struct exchange *ex, struct event_connection *out);

#endif
