#!/usr/bin/env bash
# The Kafka broker that the integration tests run: Apache Kafka (KRaft) with its runtime jars, taken from Maven's central
# repository through the ordinary client into a cache outside the tree, once.
#   kafka.sh fetch     prints the folder of the jars, after filling it if need be
#   kafka.sh where     prints the folder; exits 1 if it is not filled
set -euo pipefail

VERSION=${KAFKA_VERSION:-3.9.1}
cache=${HEADGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/headgate}
jars=$cache/kafka-$VERSION

filled() { [ -f "$jars/.complete" ]; }

pom() {
	cat <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>headgate.tests</groupId><artifactId>broker</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$VERSION</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$VERSION</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
XML
}

fetch() {
	filled && return
	command -v mvn >/dev/null || { echo "kafka.sh: mvn is missing (tests/tools/dependencies.sh test)" >&2; exit 1; }
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/fetch.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	pom >"$work/pom.xml"
	echo "fetching Apache Kafka $VERSION into $jars" >&2
	try=1
	until mvn -q -B -f "$work/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
		-DincludeScope=runtime -DoutputDirectory="$work/jars" >"$work/log" 2>&1; do
		[ $try -ge 3 ] && { tail -30 "$work/log" >&2; exit 1; }
		try=$((try + 1))
		sleep 2
	done
	# Kafka's own logging backend would want a configuration file; slf4j-simple writes to stderr.
	rm -f "$work"/jars/slf4j-reload4j-*.jar "$work"/jars/reload4j-*.jar.unused
	touch "$work/jars/.complete"
	# Two runs may fetch at once: the first rename wins, the other copy is dropped with $work.
	mv -T "$work/jars" "$jars" 2>/dev/null || filled
}

case ${1:-} in
fetch) fetch && echo "$jars" ;;
where) filled && echo "$jars" ;;
*) sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
esac
