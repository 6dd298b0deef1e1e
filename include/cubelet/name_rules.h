/* name_rules.h - what the API accepts as a name, label, key or address. Every function returns
   NULL when `text` is accepted, else what is wrong with it, in the API's own words (static text).
   Source: k8s.io/apimachinery/pkg/util/validation. */
#pragma once

/* "my-name": at most 63 of a-z 0-9 '-', alphanumeric at both ends. */
const char *name_rule_dns_label (const char *text);

/* "example.com": labels joined by dots, at most 253. */
const char *name_rule_dns_subdomain (const char *text);

/* The same where a label may start with '_', for DNS search domains. */
const char *name_rule_search_domain (const char *text);

/* "MyName" or "example.com/MyName": keys of labels and annotations, condition types, resources. */
const char *name_rule_qualified_name (const char *text);

/* A label's value; may be empty. */
const char *name_rule_label_value (const char *text);

/* An environment variable: any printable ASCII but '=' (relaxed validation, 1.34). */
const char *name_rule_env_name (const char *text);

/* A port's name: at most 15 of a-z 0-9 '-', at least one letter. */
const char *name_rule_port_name (const char *text);

/* A key in a ConfigMap or Secret. */
const char *name_rule_config_key (const char *text);

const char *name_rule_http_header (const char *text);

/* An IPv4 or IPv6 address. */
const char *name_rule_ip (const char *text);

/* A sysctl, "net.ipv4.tcp_syncookies" or with slashes. */
const char *name_rule_sysctl (const char *text);
