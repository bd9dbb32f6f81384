/* Configuration: what the layers set, and that every wrong input is named with its place and what was expected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/embedded.h"
#include "config/keys.h"
#include "config/value.h"

#define SHOP                                                                                \
	"\"sources\": {\"shop\": {\"kind\": \"browser\", \"keys\": [\"pk\"], \"origins\": " \
	"[\"https://Shop.example/\"]}}"

static char folder[] = "/tmp/headgate-config-XXXXXX";
static char path[256];

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder) || chdir(folder) != 0)
		return -1;
	snprintf(path, sizeof(path), "%s/headgate.jsonc", folder);
	return 0;
}

static int drop_folder(void **state)
{
	(void)state;
	char command[300];
	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	return system(command);
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static struct config *load(const char *text, char *const *environment, struct error *err)
{
	struct config_options options = { .file = path, .environment = environment };
	write_file(path, text);
	return config_load(&options, err);
}

static struct config *must_load(const char *text, char *const *environment)
{
	struct error err = { 0 };
	struct config *cfg = load(text, environment, &err);
	if (!cfg)
		fail_msg("%s", err.message);
	return cfg;
}

static void check_text(struct slice found, const char *wanted, int line)
{
	if (!slice_equal(found, slice_of(wanted)))
		fail_msg("line %d: wanted \"%s\", got \"%.*s\"", line, wanted, SLICE_ARG(found));
}

#define assert_text(found, wanted) check_text((found), (wanted), __LINE__)

static void test_embedded(void **state)
{
	(void)state;
	struct error err = { 0 };
	char *environment[] = { NULL };
	struct config_options options = { .environment = environment };
	struct config *cfg = config_load(&options, &err);
	if (!cfg)
		fail_msg("%s", err.message);
	assert_null(cfg->file.at);
	assert_text(cfg->data_dir, "data");
	assert_text(cfg->admin.token_file, "data/admin.token");
	assert_text(cfg->listen.host, "127.0.0.1");
	assert_int_equal(cfg->listen.port, 8080);
	assert_int_equal(cfg->durability, DURABILITY_DISK);
	assert_int_equal(cfg->lanes, 0);
	assert_int_equal(cfg->log_level, LOG_INFO);
	assert_int_equal(cfg->limits.body_bytes, 1 << 20);
	assert_int_equal(cfg->limits.idle_timeout_ms, 75000);
	assert_int_equal(cfg->journal.disk_budget_bytes, 10ull << 30);
	assert_int_equal(cfg->topics.key.count, 3);
	assert_true(cfg->topics.create);
	assert_int_equal(cfg->kafka.count, 0);
	assert_int_equal(cfg->sources_count, 1);
	const struct source *dev = config_source_by_key(cfg, SLICE("dev"));
	assert_ptr_equal(dev, &cfg->sources[0]);
	assert_int_equal(dev->consent_defaults_count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(dev->consent_defaults[i].state, CONSENT_GRANTED);
	assert_int_equal(dev->dedup_mode, DEDUP_MODE_ID_FINGERPRINT);
	assert_int_equal(dev->dedup_window_ms, 86400000);
	assert_int_equal(dev->events, 1000);
	assert_true(source_allows_origin(dev, SLICE("http://localhost:5173")));
	config_destroy(&cfg);
	assert_null(cfg);
}

static void test_file(void **state)
{
	(void)state;
	struct config *cfg = must_load(
	        "\xEF\xBB\xBF// comment with \"quotes\" and /* stars\n"
	        "{ /* a, b */ \"data_dir\": \"d//x\", \"lanes\": 3, \"listen\": \"[::1]:0\",\n"
	        "  \"limits\": {\"body_bytes\": \"2MiB\", \"head_timeout_ms\": 1500, \"depth\": 64,},\n"
	        "  \"kafka\": {\"bootstrap.servers\": \"a:1\", \"enable.idempotence\": true, \"linger.ms\": 5},\n"
	        "  \"http\": {\"paths\": {\"/collect/*\": \"/v1/events\"}, \"trusted_proxies\": [\"10.1.2.3/8\", "
	        "\"::1\"]},\n"
	        "  \"catalog\": {\"default_model\": {\"purchase\": 2}, \"dir\": \"/srv/schemas\"},\n"
	        "  \"sources\": {\n"
	        "    \"web\": {\"kind\": \"app\", \"keys\": [\"k1\", \"k\\u0032\"], \"dedup_window_ms\": \"30d\",\n"
	        "            \"limits\": {\"events\": 7}},\n"
	        "    \"back\": {\"kind\": \"server\", \"keys\": [\"s1\"], \"consent_defaults\": {\"ads\": false},\n"
	        "             \"dedup_group\": \"web\"},\n"
	        "  },\n"
	        "}\n",
	        NULL);
	assert_true(slice_ends(cfg->data_dir, SLICE("/d//x")));
	assert_true(slice_starts(cfg->data_dir, slice_of(folder)));
	assert_true(slice_ends(cfg->admin.token_file, SLICE("/d//x/admin.token")));
	assert_int_equal(cfg->lanes, 3);
	assert_text(cfg->listen.host, "::1");
	assert_int_equal(cfg->limits.body_bytes, 2 << 20);
	assert_int_equal(cfg->limits.head_timeout_ms, 1500);
	assert_int_equal(cfg->limits.depth, 64);
	assert_int_equal(cfg->kafka.count, 3);
	assert_text(cfg->kafka.at[1].value, "true");
	assert_text(cfg->kafka.at[2].value, "5");
	assert_text(cfg->http.paths[0].path, "/collect/*");
	assert_text(cfg->http.paths[0].route, "/v1/events");
	assert_int_equal(cfg->http.trusted_proxies_count, 2);
	assert_int_equal(cfg->http.trusted_proxies[0].bits, 104);
	assert_int_equal(cfg->http.trusted_proxies[0].address[13], 0);
	assert_text(cfg->catalog.default_models.at[0].value, "2");
	assert_text(cfg->catalog.dir, "/srv/schemas");
	const struct source *web = config_source_by_key(cfg, SLICE("k2")),
	                    *back = config_source_by_key(cfg, SLICE("s1"));
	assert_text(web->name, "web");
	assert_int_equal(web->events, 7);
	assert_int_equal(web->body_bytes, 2 << 20);
	assert_int_equal(web->dedup_window_ms, 30ull * 86400000);
	assert_int_equal(back->index, 1);
	assert_int_equal(back->dedup_mode, DEDUP_MODE_ID);
	assert_text(back->dedup_group, "web");
	assert_int_equal(back->consent_defaults[0].state, CONSENT_DENIED);
	assert_null(config_source_by_key(cfg, SLICE("k")));
	assert_null(config_source_by_key(cfg, SLICE("k22")));
	assert_null(config_source_by_key(cfg, SLICE_NONE));
	config_destroy(&cfg);
}

static void test_environment(void **state)
{
	(void)state;
	write_file("secret", "p@ss=1\n");
	char *environment[] = { "HEADGATE_LISTEN=127.0.0.1:1",
		                "HEADGATE_DATA_DIR=12",
		                "HEADGATE_LIMITS__EVENTS=5",
		                "HEADGATE_LIMITS__HEAD_TIMEOUT_MS=3s",
		                "HEADGATE_JOURNAL={\"sync_interval_ms\":\"7ms\"}",
		                "HEADGATE_KAFKA__BOOTSTRAP_SERVERS=k:9092",
		                "HEADGATE_KAFKA__SASL_PASSWORD_FILE=secret",
		                "HEADGATE_KAFKA__SASL_USERNAME={not json",
		                "HEADGATE_ADMIN__TOKEN_FILE=t",
		                "HEADGATE_CATALOG__DEFAULT_MODEL__ADD_TO_CART=2",
		                "HEADGATE_SOURCES__SHOP_WEB__KEYS=[\"from-env\"]",
		                "HEADGATE_SOURCES__NEW__KIND=server",
		                "HEADGATE_SOURCES__NEW__KEYS_FILE=secret",
		                "HEADGATE_SOURCES__NEW__CONSENT_DEFAULTS__ADS=denied",
		                "HEADGATE_SOURCES__NEW__CONSENT_COUNTRY_DEFAULTS__DE={\"ads\":false}",
		                "HEADGATE_CONSENT__TCF_PURPOSES__ADS=[4]",
		                "HEADGATE_CONSENT__GOOGLE__AD_USER_DATA=functional",
		                "HEADGATE_SOURCES__NEW__LIMITS__EVENTS=9",
		                "HEADGATE_CONFIG=elsewhere",
		                "HEADGATES=1",
		                "PATH=/bin",
		                NULL };
	struct config *cfg = must_load("{\"listen\": \"127.0.0.1:2\", \"limits\": {\"events\": 4, \"depth\": 9},"
	                               "\"kafka\": {\"bootstrap.servers\": \"file:1\", \"linger.ms\": 1},"
	                               "\"sources\": {\"shop-web\": {\"kind\": \"browser\", \"keys\": [\"pk\"]}}}",
	                               environment);
	assert_int_equal(cfg->listen.port, 1);
	assert_text(cfg->data_dir, "12");
	assert_int_equal(cfg->limits.events, 5);
	assert_int_equal(cfg->limits.depth, 9);
	assert_int_equal(cfg->limits.head_timeout_ms, 3000);
	assert_int_equal(cfg->journal.sync_interval_ms, 7);
	assert_int_equal(cfg->kafka.count, 4);
	assert_text(cfg->kafka.at[0].value, "k:9092");
	assert_text(cfg->kafka.at[2].name, "sasl.password");
	assert_text(cfg->kafka.at[2].value, "p@ss=1");
	assert_text(cfg->kafka.at[3].value, "{not json");
	assert_text(cfg->admin.token_file, "t");
	assert_text(cfg->catalog.default_models.at[0].name, "add_to_cart");
	assert_int_equal(cfg->sources_count, 2);
	assert_text(config_source_by_key(cfg, SLICE("from-env"))->name, "shop-web");
	assert_null(config_source_by_key(cfg, SLICE("pk")));
	const struct source *new_source = config_source_by_key(cfg, SLICE("p@ss=1"));
	assert_text(new_source->name, "new");
	assert_int_equal(new_source->events, 9);
	assert_int_equal(new_source->consent_defaults[0].state, CONSENT_DENIED);
	assert_int_equal(new_source->country_defaults_count, 1);
	assert_text(new_source->country_defaults[0].country, "DE");
	assert_text(new_source->country_defaults[0].at[0].purpose, "ads");
	assert_int_equal(cfg->consent.purposes_count, 4);
	assert_text(cfg->consent.purposes[1].name, "ads");
	assert_int_equal(cfg->consent.purposes[1].tcf, 8);
	assert_true(cfg->consent.purposes[1].is_opt_out);
	assert_int_equal(cfg->consent.purposes[3].google, 1 << GOOGLE_AD_USER_DATA);
	config_destroy(&cfg);
}

static void test_command_line(void **state)
{
	(void)state;
	struct error err = { 0 };
	char *environment[] = { "HEADGATE_LISTEN=127.0.0.1:1", NULL };
	struct config_options options = { path, "dd", "127.0.0.1:0", "127.0.0.1:7", environment };
	write_file(path, "{\"data_dir\": \"x\", " SHOP "}");
	struct config *cfg = config_load(&options, &err);
	assert_non_null(cfg);
	assert_text(cfg->data_dir, "dd");
	assert_int_equal(cfg->listen.port, 0);
	assert_int_equal(cfg->admin.listen.port, 7);
	config_destroy(&cfg);
	options.listen = "nowhere";
	assert_null(config_load(&options, &err));
	assert_int_equal(err.code, ERROR_CONFIG);
	assert_non_null(strstr(err.message, "--listen: listen: expected an address and port"));
}

static void test_files_found(void **state)
{
	(void)state;
	struct error err = { 0 };
	char *environment[] = { "HEADGATE_CONFIG=named.jsonc", NULL };
	struct config_options options = { .environment = environment };
	assert_null(config_load(&options, &err));
	assert_int_equal(err.code, ERROR_CONFIG);
	assert_non_null(strstr(err.message, "named.jsonc"));
	write_file("named.jsonc", "{\"lanes\": 2, \"catalog\": {\"dir\": \"c\"}, " SHOP "}");
	struct config *cfg = config_load(&options, &err);
	assert_non_null(cfg);
	assert_int_equal(cfg->lanes, 2);
	assert_text(cfg->catalog.dir, "./c");
	config_destroy(&cfg);
	assert_int_equal(mkdir("config", 0700) | mkdir("schemas", 0700), 0);
	write_file("config/headgate.jsonc", "{\"lanes\": 4, " SHOP "}");
	environment[0] = NULL;
	cfg = config_load(&options, &err);
	assert_int_equal(cfg->lanes, 4);
	assert_text(cfg->catalog.dir, "config/../schemas");
	config_destroy(&cfg);
	assert_int_equal(unlink("config/headgate.jsonc") | rmdir("config") | rmdir("schemas"), 0);
}

struct wrong {
	const char *text, *variable, *message;
};

#define SOURCE(members) "{\"sources\": {\"s\": {" members "}}}"
#define KEYED(members) SOURCE("\"kind\": \"browser\", \"keys\": [\"k\"], " members)

static const struct wrong wrongs[] = {
	{ "", NULL, "headgate.jsonc:1:1: not JSON" },
	{ "[]", NULL, "expected an object" },
	{ "{\"lanes\": 1", NULL, "headgate.jsonc:1:12: not JSON" },
	{ "{\n  \"lanes\" 1}", NULL, "headgate.jsonc:2:11: not JSON" },
	{ "{,}", NULL, "headgate.jsonc:1:2: not JSON" },
	{ "{\"admin\": {\"hosts\": [,]}}", NULL, "not JSON" },
	{ "{\"admin\": {\"hosts\": [\"a\",,]}}", NULL, "not JSON" },
	{ "{\n /* x", NULL, "headgate.jsonc:2:2: this comment does not end" },
	{ "{/*/ \"lanes\": 1}", NULL, "headgate.jsonc:1:2: this comment does not end" },
	{ "{\"lanes\": 1,\n \"lanes\": 2}", NULL, "headgate.jsonc:2:2: \"lanes\" stands here for the second time" },
	{ "{\"lanes\": 1,\n \"l\\u0061nes\": 2}", NULL,
	  "headgate.jsonc:2:2: \"lanes\" stands here for the second time" },
	{ "{\"data_dir\": \"a\\u0000b\"}", NULL, "headgate.jsonc:1:14: a string holds \\u0000" },
	{ "{\"data_dir\": \"\xff\"}", NULL, "headgate.jsonc:1:14: not well-formed UTF-8" },
	{ "{\"a\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}", NULL, "nested too deep" },
	{ "{\n\t\"lane\": 1}", NULL,
	  "headgate.jsonc:2:2: lane: unknown key (did you mean lanes?); expected one of data_dir" },
	{ "{\"zzzzzz\": 1}", NULL, "zzzzzz: unknown key; expected one of data_dir, lanes" },
	{ "{\"zzzzzz\": 1}", NULL, "context, kafka, forward, files, quarantine, audit_log, sources" }, /* each once */
	{ "{\"limits\": {\"evnts\": 1}}", NULL, "limits.evnts: unknown key (did you mean events?)" },
	{ "{\"limits.events\": 1}", NULL, "limits.events: unknown key" },
	{ "{\"limits\": 1}", NULL, "headgate.jsonc:1:12: limits: expected an object { … }, found number" },
	{ "{\"lanes\": \"two\"}", NULL, "lanes: expected a whole number, in 1..64, found \"two\"" },
	{ "{\"lanes\": 0}", NULL, "lanes: expected a whole number, in 1..64, found 0" },
	{ "{\"lanes\": 1.5}", NULL, "found 1.5" },
	{ "{\"limits\": {\"events\": -1}}", NULL, "limits.events: expected a whole number" },
	{ "{\"limits\": {\"events\": null}}", NULL, "limits.events: expected a whole number" },
	{ "{\"limits\": {\"body_bytes\": \"1MB\"}}", NULL, "limits.body_bytes: expected a size such as" },
	{ "{\"limits\": {\"body_bytes\": \"99999999999999999999MiB\"}}", NULL, "expected a size" },
	{ "{\"limits\": {\"body_bytes\": \"18014398509481985KiB\"}}", NULL, "expected a size" },
	{ "{\"limits\": {\"head_timeout_ms\": \"10 s\"}}", NULL, "expected a duration such as" },
	{ "{\"limits\": {\"head_timeout_ms\": \"s\"}}", NULL, "expected a duration such as" },
	{ "{\"durability\": \"ram\"}", NULL, "durability: expected one of disk|os, found \"ram\"" },
	{ "{\"durability\": 1}", NULL, "durability: expected one of disk|os, found number" },
	{ "{\"allow_dev_key\": \"true\"}", NULL, "allow_dev_key: expected true or false, found string" },
	{ "{\"listen\": \"example.org:80\"}", NULL, "listen: expected an address and port" },
	{ "{\"listen\": \"127.0.0.1\"}", NULL, "listen: expected an address and port" },
	{ "{\"listen\": \"127.0.0.1:65536\"}", NULL, "listen: expected an address and port" },
	{ "{\"listen\": \"::1:80\"}", NULL, "listen: expected an address and port" },
	{ "{\"listen\": 8080}", NULL, "found number" },
	{ "{\"data_dir\": \"\"}", NULL, "data_dir: expected a string that is not empty" },
	{ "{\"topics\": {\"events\": \"a b\"}}", NULL, "topics.events: expected a topic name" },
	{ "{\"topics\": {\"events\": \"..\"}}", NULL, "topics.events: expected a topic name" },
	{ "{\"topics\": {\"key\": \"/a\"}}", NULL, "topics.key: expected a list" },
	{ "{\"topics\": {\"key\": [\"a\"]}}", NULL, "topics.key: expected a JSON Pointer" },
	{ "{\"http\": {\"trusted_proxies\": [\"10.0.0.0/33\"]}}", NULL,
	  "http.trusted_proxies: expected an address or network" },
	{ "{\"http\": {\"paths\": {\"collect\": \"/v1/events\"}}}", NULL, "http.paths.collect: expected a path" },
	{ "{\"http\": {\"paths\": {\"/a*b\": \"/v1/events\"}}}", NULL, "expected a path" },
	{ "{\"cookies\": {\"id_name\": \"a b\"}, " SHOP "}", NULL, "cookies.id_name: expected 1 to 64 letters" },
	{ "{\"cookies\": {\"consent_name\": \"hg_id\"}, " SHOP "}", NULL,
	  "consent_name: another cookie has this name" },
	{ "{\"cookies\": {\"domains\": [\"example\"]}, " SHOP "}", NULL, "cookies.domains: expected domain names" },
	{ "{\"cookies\": {\"domains\": [\"a.example:80\"]}, " SHOP "}", NULL,
	  "cookies.domains: expected domain names" },
	{ "{\"cookies\": {\"domains\": [\"a..example\"]}, " SHOP "}", NULL, "cookies.domains: expected domain names" },
	{ "{\"cookies\": {\"domains\": [\"a.example; HttpOnly\"]}, " SHOP "}", NULL, "expected domain names" },
	{ "{\"kafka\": {\"a\": [1]}}", NULL, "kafka.a: expected a string, a number, true or false, found array" },
	{ "{\"kafka\": \"host\"}", NULL, "kafka: expected an object" },
	{ "{}", NULL, "sources: expected at least one source" },
	{ "{\"sources\": []}", NULL, "sources: expected an object" },
	{ "{\"sources\": {\"a b\": {}}}", NULL, "headgate.jsonc:1:14: sources: expected names of letters" },
	{ "{\"sources\": {\"s\": 1}}", NULL, "headgate.jsonc:1:19: sources.s: expected an object" },
	{ SOURCE("\"knd\": 1"), NULL, "sources.s.knd: unknown key (did you mean kind?); expected one of kind, keys" },
	{ SOURCE("\"keys\": [\"k\"]"), NULL, "headgate.jsonc:1:14: sources.s.kind: is missing" },
	{ SOURCE("\"kind\": \"browser\""), NULL, "sources.s.keys: expected at least one write key" },
	{ SOURCE("\"kind\": \"robot\""), NULL, "sources.s.kind: expected one of browser|app|server" },
	{ SOURCE("\"kind\": \"server\", \"keys\": [\"k\"]"), NULL, "sources.s.consent_defaults: is needed" },
	{ SOURCE("\"kind\": \"server\", \"keys\": [\"k\"], \"consent_defaults\": {\"ads\": true}, \"origins\": "
	         "[\"https://a\"]"),
	  NULL, "sources.s.origins: a server source takes no request with an Origin" },
	{ SOURCE("\"kind\": \"app\", \"keys\": [\"a b\"]"), NULL, "sources.s.keys: expected write keys of" },
	{ SOURCE("\"kind\": \"app\", \"keys\": [\"\"]"), NULL, "sources.s.keys: expected a string that is not empty" },
	{ SOURCE("\"kind\": \"app\", \"keys\": [\"a\", \"a\"]"), NULL,
	  "sources.s.keys: write key 2 is also key 1 of source s" },
	{ "{\"sources\": {\"a\": {\"kind\": \"app\", \"keys\": [\"k\"]}, \"b\": {\"kind\": \"app\", \"keys\": "
	  "[\"k\"]}}}",
	  NULL, "sources.b.keys: write key 1 is also key 1 of source a" },
	{ KEYED("\"origins\": [\"*\"]"), NULL, "sources.s.origins: expected an origin" },
	{ KEYED("\"origins\": [\"shop.example\"]"), NULL, "expected an origin" },
	{ KEYED("\"origins\": [\"https://shop.example/x\"]"), NULL, "expected an origin" },
	{ KEYED("\"origins\": [\"https://user@shop.example\"]"), NULL, "expected an origin" },
	{ KEYED("\"origins\": [\"https://shop.example:0\"]"), NULL, "expected an origin" },
	{ KEYED("\"origins\": [\"https://\"]"), NULL, "expected an origin" },
	{ KEYED("\"origins\": [\"https://*.shop.example\"]"), NULL, "expected an origin" },
	{ KEYED("\"consent_defaults\": {\"Ads\": \"granted\"}"), NULL, "consent_defaults.Ads: expected a purpose" },
	{ KEYED("\"consent_defaults\": {\"ads\": \"yes\"}"), NULL,
	  "consent_defaults.ads: expected granted, denied, unknown or contract" },
	{ KEYED("\"dedup_window_ms\": \"1s\""), NULL, "sources.s.dedup_window_ms: expected a duration" },
	{ KEYED("\"dedup_window_ms\": \"223d\""), NULL, "sources.s.dedup_window_ms: expected a duration" },
	{ "{\"journal\": {\"file_bytes\": \"256KiB\"}, \"limits\": {\"event_bytes\": \"1MiB\"}, " SHOP "}", NULL,
	  "sources.shop.limits.event_bytes: such an event would not fit" },
	{ "{\"listen\": \"0.0.0.0:0\", \"sources\": {\"s\": {\"kind\": \"app\", \"keys\": [\"dev\"]}}}", NULL,
	  "sources.s.keys: the key dev is served on loopback only" },
	{ "{\"listen\": \"0.0.0.0:0\", \"sources\": {\"s\": {\"kind\": \"app\", \"keys\": [\"k\"], "
	  "\"dead_letter_payload\": \"always\"}}}",
	  NULL, "sources.s.dead_letter_payload: always is allowed only" },
	{ "{" SHOP "}", "HEADGATE_LISTN=x", "HEADGATE_LISTN: listn: unknown key (did you mean listen?)" },
	{ "{" SHOP "}", "HEADGATE_LIMITS__EVNTS=1",
	  "HEADGATE_LIMITS__EVNTS: limits.evnts: unknown key (did you mean events?)" },
	{ "{" SHOP "}", "HEADGATE_LIMITS=1", "HEADGATE_LIMITS: limits: expected an object" },
	{ "{" SHOP "}", "HEADGATE_LIMITS__EVENTS=many",
	  "HEADGATE_LIMITS__EVENTS: limits.events: expected a whole number" },
	{ "{" SHOP "}", "HEADGATE_=1", "HEADGATE_: : unknown key" },
	{ "{" SHOP "}", "HEADGATE_LISTEN_FILE=/nonexistent", "HEADGATE_LISTEN_FILE: " },
	{ "{" SHOP "}", "HEADGATE_SOURCES__SHOP__KND=app",
	  "HEADGATE_SOURCES__SHOP__KND: sources.shop.knd: unknown key (did" },
	{ "{" SHOP "}", "HEADGATE_SOURCES__SHOP__KEYS=[1", NULL },
	{ "{" SHOP "}", "HEADGATE_SOURCES__NEW__KEYS=[\"k\"]",
	  "HEADGATE_SOURCES__NEW__KEYS: sources.new.kind: is missing" },
	{ "{" SHOP "}", "HEADGATE_SERVICE_HOST=10.0.0.1", "enableServiceLinks" },
	{ "{" SHOP "}", "HEADGATE_KAFKA__X_FILE=/nonexistent", "HEADGATE_KAFKA__X_FILE: " },
	{ "{" SHOP "}", "HEADGATE_LIMITS={\"events\":1,\"events\":2}", "HEADGATE_LIMITS: \"events\" stands here" },
};

static void test_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
		char variable[160] = "";
		struct error err = { 0 };
		char *environment[] = { wrongs[i].variable ? variable : NULL, NULL };
		if (wrongs[i].variable)
			snprintf(variable, sizeof(variable), "%s", wrongs[i].variable);
		struct config *cfg = load(wrongs[i].text, environment, &err);
		if (!wrongs[i].message) {
			config_destroy(&cfg); /* whatever it is, it must not crash */
			continue;
		}
		if (cfg || err.code != ERROR_CONFIG || !strstr(err.message, wrongs[i].message))
			fail_msg("%s %s\n  wanted %s\n  got %s (%d)", wrongs[i].text, variable, wrongs[i].message,
			         cfg ? "no error" : err.message, (int)err.code);
	}
}

static void test_both_value_and_file(void **state)
{
	(void)state;
	struct error err = { 0 };
	char *environment[] = { "HEADGATE_LISTEN=127.0.0.1:1", "HEADGATE_LISTEN_FILE=x", NULL };
	assert_null(load("{" SHOP "}", environment, &err));
	assert_non_null(strstr(err.message, "HEADGATE_LISTEN is set as well"));
}

static void test_secrets_are_not_quoted(void **state)
{
	(void)state;
	struct error err = { 0 };
	assert_null(load("{\"sources\": {\"s\": {\"kind\": \"app\", \"keys\": [\"hush hush\"]}}}", NULL, &err));
	assert_null(strstr(err.message, "hush"));
	assert_null(load("{\"sources\": {\"s\": {\"kind\": \"app\", \"keys\": [\"hush\", \"hush\"]}}}", NULL, &err));
	assert_null(strstr(err.message, "hush"));
}

static void test_cookies(void **state)
{
	(void)state;
	struct config *cfg = must_load(
	        "{\"cookies\": {\"domains\": [\".Shop.Example\", \"a.shop.localhost\"], \"renew\": \"never\"}, " SHOP
	        "}",
	        NULL);
	assert_true(slice_equal(cfg->cookies.id_name, SLICE("hg_id")));
	assert_true(slice_equal(cfg->cookies.domains.at[0], SLICE("shop.example")));
	assert_true(slice_equal(cfg->cookies.domains.at[1], SLICE("a.shop.localhost")));
	assert_int_equal(cfg->cookies.renew, COOKIES_RENEW_NEVER);
	assert_int_equal(cfg->sources[0].cookies, SOURCE_COOKIES_LAX);
	assert_int_equal(cfg->session.timeout_ms, 1800000);
	config_destroy(&cfg);
}

static void test_origins(void **state)
{
	(void)state;
	struct config *cfg = must_load("{\"sources\": {\"s\": {\"kind\": \"browser\", \"keys\": [\"k\"], \"origins\": ["
	                               "\"HTTPS://Shop.Example:443/\", \"http://localhost:*\", \"http://[::1]:*\", "
	                               "\"capacitor://localhost\", \"https://b.example:8443\"]}}}",
	                               NULL);
	const struct source *s = &cfg->sources[0];
	static const char *const yes[] = { "https://shop.example", "http://localhost",      "http://localhost:1",
		                           "http://[::1]:5173",    "capacitor://localhost", "https://b.example:8443" };
	static const char *const no[] = { "http://shop.example",
		                          "https://shop.example:444",
		                          "http://localhost.evil",
		                          "http://localhost:1.evil",
		                          "http://localhost:",
		                          "http://localhost:123456",
		                          "null",
		                          "",
		                          "https://b.example",
		                          "https://shop.example.evil" };
	assert_text(s->origins.at[0], "https://shop.example");
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		if (!source_allows_origin(s, slice_of(yes[i])))
			fail_msg("not allowed: %s", yes[i]);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (source_allows_origin(s, slice_of(no[i])))
			fail_msg("allowed: %s", no[i]);
	config_destroy(&cfg);
}

static void test_networks(void **state)
{
	(void)state;
	struct config_network net;
	uint8_t in[16] = { [10] = 0xff, [11] = 0xff, [12] = 10, [13] = 9 },
	        out[16] = { [10] = 0xff, [11] = 0xff, [12] = 12 };
	assert_true(config_network_parse(SLICE("10.0.0.0/7"), &net));
	assert_true(config_network_contains(&net, in));
	assert_false(config_network_contains(&net, out));
	assert_true(config_network_parse(SLICE("0.0.0.0/0"), &net));
	assert_true(config_network_contains(&net, out));
	assert_false(config_network_contains(&net, (uint8_t[16]) { 0x20 }));
	assert_true(config_network_parse(SLICE("::1"), &net));
	assert_true(config_network_contains(&net, (uint8_t[16]) { [15] = 1 }));
	assert_false(config_network_parse(SLICE("10.0.0.0/"), &net));
	assert_false(config_network_parse(SLICE("10.0.0.0/8x"), &net));
	assert_false(config_network_parse(SLICE("::1/129"), &net));
}

static void test_reload(void **state)
{
	(void)state;
	struct config *old = must_load("{" SHOP "}", NULL), *cfg;
	static const struct {
		const char *text, *key;
	} cases[] = {
		{ "{" SHOP "}", NULL },
		{ "{\"limits\": {\"events\": 3}, " SHOP "}", NULL },
		{ "{\"catalog\": {\"dir\": \"x\"}, " SHOP "}", NULL },
		{ "{\"listen\": \"127.0.0.1:1\", " SHOP "}", "listen" },
		{ "{\"data_dir\": \"x\", " SHOP "}", "data_dir" },
		{ "{\"kafka\": {\"a\": \"b\"}, " SHOP "}", "kafka" },
		{ "{\"durability\": \"os\", " SHOP "}", "durability" },
		{ "{\"journal\": {\"file_bytes\": \"1MiB\"}, " SHOP "}", "journal.file_bytes" },
		{ "{\"dedup\": {\"memory_bytes\": \"1MiB\"}, " SHOP "}", "dedup.memory_bytes" },
		{ "{\"admin\": {\"hosts\": [\"a\"]}, " SHOP "}", "admin.hosts" },
		{ "{\"topics\": {\"create\": false}, " SHOP "}", "topics.create" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cfg = must_load(cases[i].text, NULL);
		const char *key = config_unreloadable(old, cfg);
		if (cases[i].key)
			assert_string_equal(key, cases[i].key);
		else
			assert_null(key);
		config_destroy(&cfg);
	}
	config_destroy(&old);
}

/* What the shipped file shows as commented defaults must be the defaults, and complete. */
static void test_shipped_file_shows_all_keys(void **state)
{
	(void)state;
	struct slice text = config_embedded();
	const struct config_table *tables[] = { &config_table_main, &config_table_source };
	for (size_t t = 0; t < 2; t++) {
		for (size_t i = 0; i < tables[t]->count; i++) {
			const char *dot = strrchr(tables[t]->keys[i].path, '.');
			char name[64];
			snprintf(name, sizeof(name), "\"%s\":", dot ? dot + 1 : tables[t]->keys[i].path);
			if (!memmem(text.at, text.len, name, strlen(name)))
				fail_msg("config/headgate.jsonc does not show %s", tables[t]->keys[i].path);
		}
	}
}

static void test_describe(void **state)
{
	(void)state;
	struct buffer out;
	buffer_init(&out, NULL);
	config_describe(&out);
	buffer_append_char(&out, 0);
	assert_non_null(strstr(out.at, "limits.events  (number, 1..100000, default 1000)"));
	assert_non_null(strstr(out.at, "sources.<name>.kind  (choice, browser|app|server)"));
	buffer_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_embedded),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_environment),
		cmocka_unit_test(test_command_line),
		cmocka_unit_test(test_files_found),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_both_value_and_file),
		cmocka_unit_test(test_secrets_are_not_quoted),
		cmocka_unit_test(test_origins),
		cmocka_unit_test(test_cookies),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_shipped_file_shows_all_keys),
		cmocka_unit_test(test_describe),
	};
	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
