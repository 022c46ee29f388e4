-- The queries of `nginxtls fleet query DIR NAME`. Each begins with a line "-- NAME: what it answers".

-- old-protocols: which hosts still serve TLS 1.0 or 1.1, and for which names
SELECT host, team, socket, name, protocols FROM endpoints
WHERE accepts AND (list_contains(protocols, 'TLSv1') OR list_contains(protocols, 'TLSv1.1'))
ORDER BY host, socket, name;

-- expiring: certificates that end within 14 days, and where they are served
SELECT days_left, subject, not_after, host, team, file, server_names FROM certificates
WHERE days_left <= 14 AND len(endpoints) > 0
ORDER BY days_left, subject, host;

-- certificates: all certificates that are served, those that end first, and by how many hosts
SELECT min(days_left) AS days_left, min(subject) AS subject, min(issuer) AS issuer, min(not_after) AS not_after,
       count(DISTINCT host) AS hosts, list_sort(list_distinct(list(host)))[1:10] AS first_hosts
FROM certificates WHERE days_left IS NOT NULL AND len(endpoints) > 0
GROUP BY sha256 ORDER BY 1, 2, sha256;

-- across-hosts: faults between hosts
SELECT severity, rule, message, help, hosts FROM findings WHERE item = ''
ORDER BY CASE severity WHEN 'error' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, len(hosts) DESC, message;

-- shared-keys: private keys that several hosts have
SELECT public_key_sha256, count(DISTINCT host) AS hosts, list_sort(list_distinct(list(team))) AS teams,
       list_sort(list_distinct(list(host)))[1:10] AS first_hosts, min(subject) AS subject
FROM certificates WHERE public_key_sha256 IS NOT NULL
GROUP BY public_key_sha256 HAVING count(DISTINCT host) > 1
ORDER BY hosts DESC, public_key_sha256;

-- unlisted: certificates on hosts that the inventory does not name
SELECT c.host, c.subject, c.file, c.days_left FROM certificates c JOIN items i ON i.item = c.item AND i.host = c.host
WHERE NOT i.listed
ORDER BY c.host, c.subject;

-- one-lacks-intermediate: one certificate on many hosts, some of which do not send its intermediate
SELECT sha256, min(subject) AS subject, count(DISTINCT host) AS hosts,
       list_sort(list(DISTINCT host) FILTER (list_contains(chain_faults, 'missing-intermediate'))) AS lacking
FROM certificates WHERE sha256 IS NOT NULL
GROUP BY sha256
HAVING count(*) FILTER (list_contains(chain_faults, 'missing-intermediate')) BETWEEN 1 AND count(*) - 1
ORDER BY hosts DESC, sha256;

-- worst-hosts: hosts by errors, then warnings
SELECT host, team, nginx, openssl, errors, warnings, status, reason FROM items
ORDER BY errors DESC NULLS LAST, warnings DESC NULLS LAST, host;

-- rules: how often each rule reports, on how many hosts
SELECT rule, severity, count(*) AS findings, count(DISTINCT host) AS hosts FROM findings
GROUP BY rule, severity ORDER BY findings DESC, rule;

-- not-checked: items that could not be checked, wholly or in part
SELECT host, team, item, status, reason, not_checked FROM items
WHERE status <> 'checked' OR len(not_checked) > 0
ORDER BY status DESC, host;

-- versions: how many hosts run which nginx and OpenSSL
SELECT coalesce(nginx, 'not known') AS nginx, coalesce(openssl, 'not known') AS openssl, count(*) AS hosts FROM items
GROUP BY 1, 2 ORDER BY hosts DESC, 1, 2;

-- teams: hosts, findings and certificates that end within 30 days, by team
SELECT i.team, count(DISTINCT i.host) AS hosts, sum(i.errors) AS errors, sum(i.warnings) AS warnings,
       (SELECT count(*) FROM certificates c WHERE c.team = i.team AND c.days_left <= 30) AS ending
FROM items i GROUP BY i.team ORDER BY errors DESC, i.team;

-- no-post-quantum: endpoints that offer no hybrid key exchange
SELECT host, team, socket, name, groups FROM endpoints WHERE accepts AND NOT post_quantum
ORDER BY host, socket, name;

-- new: findings that the run before did not have
SELECT f.host, f.team, f.severity, f.rule, f.message FROM findings f
WHERE f.key NOT IN (SELECT key FROM earlier_findings)
ORDER BY CASE f.severity WHEN 'error' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, f.host, f.rule;

-- gone: findings that the run before had
SELECT f.host, f.team, f.severity, f.rule, f.message FROM earlier_findings f
WHERE f.key NOT IN (SELECT key FROM findings)
ORDER BY f.host, f.rule;
