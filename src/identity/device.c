/* Told by words in the user agent, the more special before the more general: every browser claims to be several others.
 * Only families are told, no versions. */
#include "identity/device.h"

#include <stdlib.h>

#include "base/hash.h"
#include "identity/bots.h"

#define CACHE_SLOTS 1024    /* 450 KiB a lane, of which the unused part is never touched */
#define AGENT_BYTES_MAX 384 /* longer ones are worked out each time */
#define AGENT_BYTES_READ 2048

#define NAME(text)                     \
	{                              \
		text, sizeof(text) - 1 \
	}

struct slot {
	uint32_t hash;
	uint32_t len; /* 0: free */
	char agent[AGENT_BYTES_MAX];
	struct device device;
};

struct device_cache {
	struct slot slots[CACHE_SLOTS];
};

struct word {
	struct slice word, name;
};

static const struct word browsers[] = {
	{ NAME("KAKAOTALK"), NAME("KakaoTalk") },
	{ NAME("NAVER("), NAME("NAVER") },
	{ NAME("DaumApps"), NAME("Daum") },
	{ NAME("FBAN"), NAME("Facebook") },
	{ NAME("FBAV"), NAME("Facebook") },
	{ NAME("Instagram"), NAME("Instagram") },
	{ NAME(" Line/"), NAME("LINE") },
	{ NAME("MicroMessenger"), NAME("WeChat") },
	{ NAME("Whale/"), NAME("Whale") },
	{ NAME("SamsungBrowser/"), NAME("Samsung Internet") },
	{ NAME("Edg/"), NAME("Edge") },
	{ NAME("EdgA/"), NAME("Edge") },
	{ NAME("EdgiOS/"), NAME("Edge") },
	{ NAME("Edge/"), NAME("Edge") },
	{ NAME("OPR/"), NAME("Opera") },
	{ NAME("Opera"), NAME("Opera") },
	{ NAME("YaBrowser/"), NAME("Yandex") },
	{ NAME("UCBrowser/"), NAME("UC Browser") },
	{ NAME("DuckDuckGo/"), NAME("DuckDuckGo") },
	{ NAME("Vivaldi/"), NAME("Vivaldi") },
	{ NAME("FxiOS/"), NAME("Firefox") },
	{ NAME("Firefox/"), NAME("Firefox") },
	{ NAME("CriOS/"), NAME("Chrome") },
	{ NAME("Chrome/"), NAME("Chrome") },
	{ NAME("Trident/"), NAME("Internet Explorer") },
	{ NAME("MSIE "), NAME("Internet Explorer") },
	{ NAME("Safari/"), NAME("Safari") },
};

static const struct word systems[] = {
	{ NAME("Windows"), NAME("Windows") }, { NAME("HarmonyOS"), NAME("HarmonyOS") },
	{ NAME("Tizen"), NAME("Tizen") },     { NAME("Web0S"), NAME("webOS") },
	{ NAME("Android"), NAME("Android") }, { NAME("iPhone"), NAME("iOS") },
	{ NAME("iPod"), NAME("iOS") },        { NAME("iPad"), NAME("iPadOS") },
	{ NAME("CrOS"), NAME("ChromeOS") },   { NAME("Macintosh"), NAME("macOS") },
	{ NAME("Mac OS X"), NAME("macOS") },  { NAME("Linux"), NAME("Linux") },
};

static const struct word classes[] = {
	{ NAME("SMART-TV"), NAME("tv") },        { NAME("SmartTV"), NAME("tv") },
	{ NAME("Web0S"), NAME("tv") },           { NAME("AppleTV"), NAME("tv") },
	{ NAME("BRAVIA"), NAME("tv") },          { NAME("GoogleTV"), NAME("tv") },
	{ NAME("CrKey"), NAME("tv") },           { NAME("HbbTV"), NAME("tv") },
	{ NAME("iPad"), NAME("tablet") },        { NAME("Tablet"), NAME("tablet") },
	{ NAME("iPhone"), NAME("phone") },       { NAME("iPod"), NAME("phone") },
	{ NAME("Mobile"), NAME("phone") },       { NAME("Android"), NAME("tablet") },
	{ NAME("Windows NT"), NAME("desktop") }, { NAME("Macintosh"), NAME("desktop") },
	{ NAME("CrOS"), NAME("desktop") },       { NAME("X11"), NAME("desktop") },
};

static struct slice find_word(struct slice agent, const struct word *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (agent.len >= words[i].word.len && memmem(agent.at, agent.len, words[i].word.at, words[i].word.len))
			return words[i].name;
	return SLICE_NONE;
}

#define FIND(agent, words) find_word(agent, words, sizeof(words) / sizeof((words)[0]))

static void work_out(struct slice agent, struct device *out)
{
	if (agent.len > AGENT_BYTES_READ)
		agent.len = AGENT_BYTES_READ;
	*out = (struct device) { .class = FIND(agent, classes),
		                 .os = FIND(agent, systems),
		                 .browser = FIND(agent, browsers),
		                 .bot = bots_match(agent) };
}

struct device_cache *device_cache_create(void)
{
	return calloc(1, sizeof(struct device_cache));
}

void device_cache_destroy(struct device_cache **cache)
{
	free(*cache);
	*cache = NULL;
}

void device_look(struct device_cache *cache, struct slice agent, struct device *out)
{
	if (!agent.len) {
		*out = (struct device) { 0 };
		return;
	}
	if (!cache || agent.len > AGENT_BYTES_MAX) {
		work_out(agent, out);
		return;
	}
	uint32_t hash = hash_crc32c(0, agent.at, agent.len);
	struct slot *slot = &cache->slots[hash % CACHE_SLOTS];
	if (slot->len != agent.len || slot->hash != hash || memcmp(slot->agent, agent.at, agent.len) != 0) {
		work_out(agent, &slot->device);
		memcpy(slot->agent, agent.at, agent.len);
		slot->len = (uint32_t)agent.len;
		slot->hash = hash;
	}
	*out = slot->device;
}
