/* Who it is, in the canonical event: ids and the visit. */
#include "event/canonical.h"

static void put_session(struct buffer *out, const struct event *ev)
{
	const struct event_session *session = &ev->session;
	if (!session->known || (!session->start && !session->first && !session->number))
		return;
	PUT(out, ",\"session\":{");
	size_t begin = out->len;
	if (session->start)
		PUT(out, "\"start\":true");
	if (session->first)
		buffer_append(out, out->len > begin ? SLICE(",\"first\":true") : SLICE("\"first\":true"));
	if (session->number) {
		buffer_append(out, out->len > begin ? SLICE(",\"number\":") : SLICE("\"number\":"));
		buffer_append_u64(out, session->number);
	}
	buffer_append_char(out, '}');
}

void canonical_put_ids(struct buffer *out, const struct event *ev)
{
	if (!ev->id_count)
		return;
	PUT(out, ",\"ids\":{");
	for (uint32_t i = 0; i < ev->id_count; i++) {
		if (i)
			buffer_append_char(out, ',');
		json_write_string(out, ev->ids[i].name);
		PUT(out, ":\"");
		buffer_append(out, event_id_text(ev, &ev->ids[i]));
		buffer_append_char(out, '"');
	}
	buffer_append_char(out, '}');
	put_session(out, ev);
	if (ev->ids_linked)
		PUT(out, ",\"ids_linked\":true");
}
