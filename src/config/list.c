/* Growing in an arena: what is outgrown stays behind until the configuration goes. */
#include "config/list.h"

/* The array doubles whenever its count reaches a power of two. */
void *config_list_push(void *field, size_t size, struct arena *arena)
{
	struct config_list list;
	memcpy(&list, field, sizeof(list));
	if ((list.count & (list.count - 1)) == 0) {
		void *wider = arena_array(arena, list.count ? list.count * 2 : 1, size);
		if (!wider)
			return NULL;
		if (list.count)
			memcpy(wider, list.at, list.count * size);
		list.at = wider;
	}
	char *element = (char *)list.at + list.count++ * size;
	memcpy(field, &list, sizeof(list));
	return element;
}

void *config_list_named(void *field, size_t size, struct slice name, struct arena *arena)
{
	struct config_list list;
	memcpy(&list, field, sizeof(list));
	for (size_t i = 0; i < list.count; i++) {
		char *element = (char *)list.at + i * size;
		struct slice other;
		memcpy(&other, element, sizeof(other));
		if (slice_equal(other, name))
			return element;
	}
	struct slice copy = arena_copy(arena, name);
	void *element = copy.at ? config_list_push(field, size, arena) : NULL;
	if (element)
		memcpy(element, &copy, sizeof(copy));
	return element;
}
