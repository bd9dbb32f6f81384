/* Lists that grow while a configuration is read; every field of a list type is a pointer and a count. */
#ifndef HEADGATE_CONFIG_LIST_H
#define HEADGATE_CONFIG_LIST_H

#include "base/arena.h"

struct config_list {
	void *at;
	size_t count;
};

/* Room for one more element at the end; NULL after arena overflow. */
void *config_list_push(void *field, size_t size, struct arena *arena);
/* The element of a list of structs whose first member is their name, or a new one. */
void *config_list_named(void *field, size_t size, struct slice name, struct arena *arena);

#endif
