/* A purchase event of 954 bytes, as a shop's page sends it. */
#ifndef HEADGATE_BENCH_PURCHASE_H
#define HEADGATE_BENCH_PURCHASE_H

static const char PURCHASE[] =
        "{\"event\":\"purchase\",\"version\":\"1-0-0\",\"event_id\":\"0190b6a2-7c1e-7b3a-9d4e-5f60718293a4\","
        "\"event_time\":\"2026-11-22T02:01:00.123Z\",\"sent_at\":\"2026-11-22T02:01:00.987Z\","
        "\"anonymous_id\":\"3f9d1c52-6b0e-4f6f-8a57-2f4f2f5b8c11\",\"user_id\":\"u-1048576\","
        "\"session_id\":\"1795312860123.7\",\"device_id\":\"0b7e52d4-91aa-4c55-b0a\",\"test\":false,"
        "\"consent\":{\"analytics\":\"granted\",\"ads\":\"denied\"},"
        "\"context\":{\"page\":{\"url\":\"https://shop.example/checkout/thanks?order=A-2026-118233\","
        "\"referrer\":\"https://shop.example/checkout/pay\",\"title\":\"Thank you\"},\"locale\":\"ko-KR\","
        "\"screen\":{\"width\":1440,\"height\":900}},"
        "\"properties\":{\"order_id\":\"A-2026-118233\",\"currency\":\"KRW\",\"value\":128000,\"tax\":11636,"
        "\"shipping\":3000,\"coupon\":\"AUTUMN10KRW\",\"payment_method\":\"card\",\"items\":["
        "{\"product_id\":\"SKU-1001\",\"name\":\"Merino "
        "sweater\",\"price\":69000,\"quantity\":1,\"category\":\"Knit\"},"
        "{\"product_id\":\"SKU-2040\",\"name\":\"Wool socks, 3 pairs\",\"price\":29500,\"quantity\":2,"
        "\"category\":\"Socks\",\"variant\":\"M / grey\"}]}}";

#endif
