/* The configuration: read once from JSON with comments and the environment into an immutable struct. A reload makes a
 * new one. Everything it points to lives in its own arena. Units stand in the names; durations may be written in the
 * file as "30d", "24h", "10m", "5s", "250ms" or a number of milliseconds, sizes as "64KiB", "1MiB", "2GiB" or bytes. */
#ifndef HEADGATE_CONFIG_CONFIG_H
#define HEADGATE_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/slice.h"

struct slices {
	const struct slice *at;
	size_t count;
};

struct config_pair {
	struct slice name, value;
};

struct config_pairs {
	const struct config_pair *at;
	size_t count;
};

struct config_address {
	struct slice host; /* a numeric IPv4 or IPv6 address without brackets */
	uint16_t port;     /* 0: any */
};

/* An IPv4 network is stored as ::ffff:a.b.c.d/96+n. */
struct config_network {
	uint8_t address[16];
	uint8_t bits;
};

enum durability { DURABILITY_DISK, DURABILITY_OS };
enum source_kind { SOURCE_BROWSER, SOURCE_APP, SOURCE_SERVER };
enum source_unfit { SOURCE_UNFIT_REJECT, SOURCE_UNFIT_KEEP };
enum dedup_mode { DEDUP_MODE_ID, DEDUP_MODE_ID_FINGERPRINT };
enum dead_letter_payload { PAYLOAD_CONSENTED, PAYLOAD_NEVER, PAYLOAD_ALWAYS };
enum forward_mode { FORWARD_EXACTLY_ONCE, FORWARD_AT_LEAST_ONCE };
enum forwarded_header { FORWARDED_HEADER_AUTO, FORWARDED_HEADER_X, FORWARDED_HEADER_RFC };
enum ip_mode { IP_FULL, IP_TRUNCATED, IP_HASH, IP_NONE };
enum pii_action { PII_KEEP, PII_DROP, PII_MASK, PII_HASH };
enum pii_hash { PII_HASH_SHA256, PII_HASH_HMAC };
enum consent_state { CONSENT_UNKNOWN, CONSENT_DENIED, CONSENT_GRANTED };

enum source_cookies { SOURCE_COOKIES_LAX, SOURCE_COOKIES_NONE, SOURCE_COOKIES_OFF };
enum cookies_renew { COOKIES_RENEW_DAILY, COOKIES_RENEW_NEVER };

struct config_limits {
	uint32_t body_bytes;              /* 1 MiB */
	uint32_t inflated_bytes;          /* 4 MiB */
	uint64_t bodies_bytes;            /* 256 MiB: bodies of all requests in flight */
	uint32_t event_bytes;             /* 64 KiB */
	uint32_t events;                  /* 1000 a request */
	uint32_t depth;                   /* 32, counted within the event's own root as 1 */
	uint32_t header_bytes;            /* 16 KiB */
	uint32_t request_line_bytes;      /* 16 KiB */
	uint32_t query_arguments;         /* 256 */
	uint32_t id_bytes;                /* 256 */
	uint32_t event_id_bytes;          /* 128 */
	uint32_t head_timeout_ms;         /* 10 s, absolute */
	uint32_t body_rate_bytes;         /* 1 KiB a second … */
	uint32_t body_rate_over_ms;       /* … averaged over 20 s */
	uint32_t connections;             /* in all: 20,000, lowered to what RLIMIT_NOFILE allows */
	uint32_t connections_per_address; /* 256 per IPv4 address or IPv6 /64; loopback and trusted proxies exempt */
	uint32_t idle_timeout_ms;         /* keep-alive: 75 s */
};

struct config_consent_default {
	struct slice purpose;
	enum consent_state state;
	bool is_contract; /* "contract": granted because a contract needs it, not because somebody said so */
};

/* Defaults that go before a source's plain ones for events from that country. */
struct config_country_defaults {
	struct slice country; /* ISO 3166-1 alpha-2 */
	const struct config_consent_default *at;
	size_t count;
};

/* Purposes of the TCF (bit n - 1 for number n) that all must be consented to for a purpose of ours; 0: none says it. */
struct config_tcf_purposes {
	struct slice purpose;
	uint32_t mask;
};

/* What Google's consent mode tells apart. */
enum google_signal {
	GOOGLE_AD_STORAGE,
	GOOGLE_ANALYTICS_STORAGE,
	GOOGLE_AD_USER_DATA,
	GOOGLE_AD_PERSONALIZATION,
	GOOGLE_count
};

/* A purpose that consent is asked for, with what speaks of it. */
struct config_purpose {
	struct slice name;
	uint32_t tcf;    /* mask, as above */
	uint8_t google;  /* 1 << enum google_signal, all that must be granted; 0: none says it */
	bool is_opt_out; /* an opt-out of sale and sharing denies it */
};

enum denied_events { DENIED_EVENTS_STRIPPED, DENIED_EVENTS_DROPPED };

/* A token bucket, in events. */
struct config_rate {
	uint32_t per_second; /* 0: no limit */
	uint32_t burst;      /* default: per_second */
};

struct source {
	struct slice name;
	uint32_t index; /* place in config.sources */
	enum source_kind kind;
	struct slices keys;
	struct slices origins; /* exact "https://shop.example" or "null"; "http://localhost:*" any port */
	const struct config_consent_default *consent_defaults;
	size_t consent_defaults_count;
	const struct config_country_defaults *country_defaults;
	size_t country_defaults_count;
	enum denied_events denied_events; /* what becomes of an event whose every purpose is denied */
	struct slice dedup_group;         /* default: name */
	enum dedup_mode dedup_mode;       /* default: id+fingerprint for browser and app, id for server */
	uint64_t dedup_window_ms;         /* default 24 h */
	enum source_unfit unknown_events;
	enum source_unfit invalid_events;
	enum dead_letter_payload dead_letter_payload;
	enum source_cookies cookies;
	bool accept_aliases;           /* apply the catalog's aliases to this source's events */
	struct slices signing_secrets; /* none: requests need no signature */
	uint32_t signature_tolerance_ms;
	struct config_rate rate_limit;        /* of the source */
	struct config_rate client_rate_limit; /* of each client of it */
	uint32_t body_bytes;                  /* own limits; default: config.limits */
	enum ip_mode ip;                      /* default: config.privacy.ip */
	bool daily_id;                        /* of events whose consent is unknown */
	uint32_t inflated_bytes;
	uint32_t event_bytes;
	uint32_t events;
};

/* Maps a further public path, or a prefix where it ends in "*", to a route's own path. */
struct config_path {
	struct slice path, route;
};

/* Every write key of every source, for config_source_by_key. */
struct config_write_key {
	struct hash128 hash;
	struct slice key;
	const struct source *source;
};

struct config {
	struct arena arena;
	struct slice file;   /* SLICE_NONE: embedded defaults only */
	struct slice folder; /* relative paths in the file start here */

	struct slice data_dir;
	uint32_t lanes; /* 0: auto, as many as cores */
	enum durability durability;
	struct config_address listen;
	bool allow_dev_key;
	enum log_level log_level;
	enum log_format log_format;

	struct {
		struct config_address listen;
		struct slice token_file; /* default <data_dir>/admin.token */
		struct slices
		        hosts; /* further values of Host that are served; loopback names and the address always are */
	} admin;

	struct config_limits limits;
	struct {
		const struct config_path *paths;
		size_t paths_count;
		const struct config_network *trusted_proxies;
		size_t trusted_proxies_count;
		enum forwarded_header forwarded_header; /* of the two, the one by which they name the client */
		struct slice country_header; /* by which trusted proxies tell the country; empty: none does */
	} http;
	struct {
		struct slices further_purposes; /* beside analytics, ads, personalization and functional */
		struct slices opt_out_purposes;
		const struct config_tcf_purposes *tcf_purposes;
		size_t tcf_purposes_count;
		struct config_pairs google;            /* signal → purpose */
		const struct config_purpose *purposes; /* worked out of the above */
		size_t purposes_count;
		uint32_t tcf_vendor; /* 0: vendors' consent is not looked at */
		bool honor_dnt;
	} consent;

	struct {
		struct slice dir;
		bool is_public;                     /* catalog.public */
		bool watch;                         /* read anew when a file below dir changes */
		struct slice base_uri;              /* default urn:headgate: */
		struct config_pairs default_models; /* catalog.default_model.<event>: "2" */
	} catalog;

	struct {
		struct slice events, rejected, unverified, consent, erasures, checkpoints;
		struct slices key; /* JSON Pointers, first present wins */
		bool create;
		uint32_t partitions;  /* for created topics: 6 */
		uint32_t replication; /* 0: the broker's default */
	} topics;

	struct {
		uint64_t disk_budget_bytes; /* of the data directory: 10 GiB */
		uint64_t reserve_bytes;     /* free space of the file system that is left alone: 256 MiB */
		uint32_t file_bytes;        /* 64 MiB */
		uint32_t sync_interval_ms;  /* os mode: 100 */
		uint64_t grace_ms;          /* what the sink has is kept so long: 24 h */
	} journal;

	struct {
		uint64_t memory_bytes; /* of the table: 256 MiB */
	} dedup;

	struct {
		struct slice id_name, session_name, consent_name;
		struct slices domains; /* lower case, without a leading dot */
		enum cookies_renew renew;
		struct slice secret_file; /* SLICE_NONE: the installation's own key */
	} cookies;
	struct {
		uint32_t timeout_ms; /* 30 min */
		bool midnight, campaign;
		struct slice timezone;
	} session;

	/* What no program can know, for `headgate privacy`: stated by people. */
	struct {
		struct slice controller, contact, country, refusal;
		struct config_pairs purposes, legal_basis;           /* by purpose */
		struct config_pairs recipients, recipient_countries; /* by name of the recipient */
		struct config_pairs retention;                       /* by Kafka topic */
	} statements;
	struct {
		enum ip_mode ip;
		struct {
			enum pii_action email, phone, name, address, id, free_text;
		} pii;
		enum pii_hash hash;
		uint64_t pepper_ms;         /* how long one pepper is in use: 90 d */
		struct slice phone_country; /* of numbers without country code: KR */
	} privacy;
	struct {
		struct slices click_ids;       /* names of parameters; one that ends in "*": all that begin so */
		struct config_pairs referrers; /* host to class, before the shipped list */
		const struct config_network *internal_networks;
		size_t internal_networks_count;
		struct slice geo_database; /* SLICE_NONE: none */
	} context;

	struct config_pairs kafka; /* straight to librdkafka; empty: files sink */
	struct {
		enum forward_mode mode;
		struct slice transactional_prefix;
		uint32_t batch_events; /* 10,000 */
		uint32_t batch_ms;     /* 500 */
		uint64_t memory_bytes; /* of librdkafka's queue: 64 MiB */
	} forward;
	struct {
		uint64_t retention_ms; /* 0: kept for ever */
		uint64_t dead_letter_retention_ms;
		bool compress; /* closed hours become .ndjson.gz beside the folder's .ndjson files' names */
	} files;
	struct {
		uint64_t retention_ms;
	} quarantine, audit_log;

	uint32_t drain_timeout_ms; /* 25 s */

	const struct source *sources;
	size_t sources_count;
	struct hash_key write_keys_secret; /* random per load */
	const struct config_write_key *write_keys;
	size_t write_keys_count;
};

struct config_options {
	const char *file; /* --config, or NULL: $HEADGATE_CONFIG, ./config/headgate.jsonc, /etc/headgate/headgate.jsonc,
	                         else the embedded default */
	const char *data_dir; /* --data-dir, --listen, --admin: above file and environment; NULL: not given */
	const char *listen;
	const char *admin;
	char *const *environment; /* environ, or a test's */
};

/* Reads, merges (defaults < file < environment < command line) and checks. `err` names key path, what was found and
 * what was expected. The result belongs to the caller. */
struct config *config_load(const struct config_options *options, struct error *err);
void config_destroy(struct config **cfg);
/* Source by write key, in constant time with regard to the key's bytes; NULL if none. */
const struct source *config_source_by_key(const struct config *cfg, struct slice key);
/* True if the source lists the origin (exact, or a port wildcard). */
bool source_allows_origin(const struct source *source, struct slice origin);
bool config_network_contains(const struct config_network *network, const uint8_t address[16]);
const char *source_kind_name(enum source_kind kind);
const char *durability_name(enum durability durability);
/* What changed between two configs that a reload cannot apply ("listen", "data_dir", …), or NULL. */
const char *config_unreloadable(const struct config *old, const struct config *cfg);

#endif
