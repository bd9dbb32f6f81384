/* Bytes as text that may hold somebody: numbers and e-mail addresses to redact, URLs to cut, campaigns to read, addresses
 * and telephone numbers to bring into their forms. Each must stay within its bounds, and give the same when done twice. */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/query.h"
#include "identity/device.h"
#include "identity/referrer.h"
#include "privacy/ip.h"
#include "privacy/normal_form.h"
#include "privacy/redact.h"
#include "privacy/url_scrub.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static const struct slice click_names[] = { { "gclid", 5 }, { "n_*", 3 }, { "NaPm", 4 } };
static struct arena arena, lasting;
static struct name_set click_ids;
static struct referrer_table table;

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_redaction(struct slice text)
{
	struct redact_found found = { 0 }, none = { 0 };
	size_t at = 0, begin, places = 0;
	struct slice copy = arena_copy(&arena, text);
	char *to = (char *)(uintptr_t)copy.at;
	while (redact_next_digits(text, &at, &begin)) {
		must(begin < at && at <= text.len);
		places++;
	}
	bool any = redact_digits(to, copy.len, 2026, false, &found);
	must(!any || places); /* the first look misses nothing */
	must(!redact_digits(to, copy.len, 2026, false, &none));
	copy.len = redact_emails(to, copy.len, &found);
	must(copy.len <= text.len);
	must(found.count[REDACT_EMAIL] == 0 || redact_next_at(text, 0) < text.len);
}

static void check_urls(struct slice text)
{
	struct buffer out, again;
	struct campaign campaign;
	struct slice rest = query_of_url(text), name, value;
	buffer_init(&out, &arena);
	buffer_init(&again, &arena);
	url_write_stripped(text, &out);
	must(!memchr(out.at ? out.at : "", '?', out.len) && !memchr(out.at ? out.at : "", '#', out.len));
	url_write_stripped(buffer_slice(&out), &again);
	must(slice_equal(buffer_slice(&out), buffer_slice(&again)));
	out.len = again.len = 0;
	if (url_write_without(text, &click_ids, &out)) {
		must(out.len < text.len);
		must(!url_write_without(buffer_slice(&out), &click_ids, &again));
	}
	while (query_next(&rest, &name, &value))
		must(name.at >= text.at && name.at + name.len <= text.at + text.len);
	campaign_read(text, &click_ids, &arena, &campaign);
	must(campaign.click_id_count <= CAMPAIGN_CLICK_IDS_MAX);
	must(referrer_class(&table, text, text, &campaign).len > 0);
}

static void check_forms(struct slice text)
{
	char to[NORMAL_FORM_BYTES], again[NORMAL_FORM_BYTES];
	struct slice email = normal_email(text, to);
	must(email.len <= text.len);
	if (email.len) {
		must(slice_equal(normal_email(email, again), email));
		must(normal_email_google(email, again).len <= email.len);
	}
	struct slice phone = normal_phone(text, SLICE("KR"), to);
	if (phone.len) {
		must(phone.at[0] == '+' && phone.len >= 8 && phone.len <= 16);
		must(normal_phone(phone, SLICE("US"), again).len <= phone.len);
	}
	must(normal_words(text, to).len <= NORMAL_FORM_BYTES && normal_compact(text, to).len <= NORMAL_FORM_BYTES);
	static const struct hash_key key;
	for (int mode = IP_FULL; mode <= IP_NONE; mode++)
		must(mode == IP_FULL || ip_shorten(text, (enum ip_mode)mode, &key, to).len <= IP_TEXT_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct slice text = { (const char *)bytes, len };
	struct device device;
	if (!arena.limit_bytes) {
		must(sodium_init() >= 0);
		arena_init(&arena, 64 << 20);
		arena_init(&lasting, 1 << 20);
		must(referrer_table_init(&table, &(struct config_pairs) { NULL, 0 }, &lasting));
		name_set_init(&click_ids, click_names, sizeof click_names / sizeof click_names[0]);
	}
	arena_reset(&arena);
	check_redaction(text);
	check_urls(text);
	check_forms(text);
	device_look(NULL, text, &device);
	return 0;
}
