#include "pipeline/errand.h"

bool errands_add(struct errands *errands, struct errand *errand)
{
	struct errand *head = atomic_load_explicit(&errands->first, memory_order_relaxed);
	do {
		errand->next = head;
	} while (!atomic_compare_exchange_weak_explicit(&errands->first, &head, errand, memory_order_release,
	                                                memory_order_relaxed));
	return head == NULL;
}

bool errands_run(struct errands *errands, struct journal_writer *writer, struct error *err)
{
	struct errand *list = atomic_exchange_explicit(&errands->first, NULL, memory_order_acquire), *next;
	struct errand *ordered = NULL;
	for (; list; list = next) {
		next = list->next;
		list->next = ordered;
		ordered = list;
	}
	bool ok = true;
	for (; ordered; ordered = next) {
		struct error own = { 0 };
		next = ordered->next; /* it may be gone once it has run */
		if (ordered->run(ordered, writer, &own) || own.code != ERROR_SYNC_LOST)
			continue;
		ok = false;
		*err = own;
	}
	return ok;
}
