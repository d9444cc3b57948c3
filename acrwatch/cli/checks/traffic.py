"""The questions `acrwatch check --live` puts to the stored events: SELECTs over the views `live`
and `live_activity`, rows marked `recent`.

No answer holds an identity, an address or a repository: reports of this kind are made to be passed on.
"""

from typing import Final

OPERATIONS: Final = """
SELECT category, operation_name, operation AS taken_for, count(*) AS events
FROM live WHERE recent GROUP BY ALL ORDER BY events DESC, 1, 2 LIMIT 200
"""

STATUSES: Final = """
SELECT operation_name, coalesce(CAST(status_code AS VARCHAR), 'no number') AS status, count(*) AS events
FROM live WHERE recent GROUP BY ALL ORDER BY events DESC, 1, 2 LIMIT 200
"""

# Letters become one `a`, digits one `9`, other signs `?`: enough to tell a GUID from a name, too little to know whose.
IDENTITIES: Final = r"""
SELECT identity_kind AS kind,
  CASE
    WHEN identity IS NULL THEN 'absent'
    WHEN lower(identity) = registry THEN 'name of the registry'
    WHEN regexp_full_match(identity, '[0-9A-Za-z]{8}(-[0-9A-Za-z]{4}){3}-[0-9A-Za-z]{12}') THEN 'guid'
    WHEN regexp_full_match(identity, '[^@\s]+@[^@\s]+') THEN 'name@domain'
    ELSE regexp_replace(regexp_replace(regexp_replace(identity,
      '\pL+', 'a', 'g'), '\pN+', '9', 'g'), '[^a9@._~+:/-]', '?', 'g')[1:40]
  END AS shape,
  category, count(*) AS events
FROM live WHERE recent GROUP BY ALL ORDER BY events DESC, 1, 2 LIMIT 100
"""

# Private: RFC 1918 and RFC 6598 for v4, unique local and link local for v6.
ADDRESSES: Final = r"""
SELECT
  CASE
    WHEN caller_ip_address IS NULL THEN 'absent'
    WHEN caller_ip IS NULL THEN 'unusable'
    WHEN contains(caller_ip, ':') THEN
      CASE WHEN regexp_matches(caller_ip, '^(f[cd]|fe[89ab])') THEN 'v6, private' ELSE 'v6, public' END
    WHEN regexp_matches(caller_ip,
      '^(10\.|192\.168\.|172\.(1[6-9]|2[0-9]|3[01])\.|100\.(6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])\.)')
      THEN 'v4, private'
    ELSE 'v4, public'
  END AS address,
  operation, count(*) AS events
FROM live WHERE recent GROUP BY ALL ORDER BY events DESC, 1, 2 LIMIT 100
"""

DELAYS: Final = """
WITH each AS (
  SELECT category, (epoch_us(enqueued_time) - epoch_us(event_time)) / 1e6 AS azure,
    (epoch_us(ingested_at) - epoch_us(enqueued_time)) / 1e6 AS ours
  FROM live WHERE recent AND enqueued_time IS NOT NULL
)
SELECT category, count(*) AS events,
  round(quantile_cont(azure, 0.5), 1) AS event_to_hub_median, round(quantile_cont(azure, 0.95), 1) AS event_to_hub_95,
  round(max(azure), 1) AS event_to_hub_max,
  round(quantile_cont(ours, 0.5), 1) AS hub_to_lake_median, round(quantile_cont(ours, 0.95), 1) AS hub_to_lake_95
FROM each GROUP BY category ORDER BY category
"""

UNKNOWN: Final = """
WITH members AS (
  SELECT category, unnest(json_keys(extra)) AS member FROM live WHERE recent AND json_valid(extra)
)
SELECT category, member, count(*) AS events FROM members GROUP BY ALL ORDER BY events DESC, 1, 2 LIMIT 100
"""

CONTROL_PLANE: Final = """
SELECT operation, coalesce(result, 'absent') AS result, count(*) AS records, count(request) AS with_request,
  count(response) AS with_answer
FROM live_activity WHERE recent GROUP BY ALL ORDER BY records DESC, 1, 2 LIMIT 100
"""

PRESENT: Final = "SELECT count(COLUMNS(*)) FROM live WHERE recent"

# One row of numbers that the open questions are answered by.
SIGNS: Final = r"""
SELECT count(*) AS events,
  count(*) FILTER (operation = 'login') AS logins,
  count(*) FILTER (operation IN ('delete', 'untag', 'purge')) AS removals,
  count(*) FILTER (operation = 'other') AS other,
  count(*) FILTER (operation = 'import') AS imports,
  count(*) FILTER (identity_kind = 'admin') AS admin,
  count(*) FILTER (identity_kind = 'token') AS token,
  count(*) FILTER (identity IS NULL) AS anonymous,
  count(*) FILTER (status_code = 401) AS unauthorised,
  count(*) FILTER (status_code BETWEEN 300 AND 399) AS redirects,
  count(*) FILTER (operation = 'pull' AND succeeded AND starts_with(tag, 'sha256:')) AS pulls_by_digest,
  count(*) FILTER (operation = 'pull' AND succeeded AND tag IS NULL) AS pulls_without_tag,
  count(*) FILTER (contains(caller_ip, ':')) AS v6,
  count(DISTINCT login_server) AS login_servers,
  count(DISTINCT region) AS regions,
  count(DISTINCT correlation_id) FILTER (category = 'ContainerRegistryLoginEvents') AS login_correlations,
  count(correlation_id) - count(DISTINCT (correlation_id, operation_name))
    FILTER (correlation_id IS NOT NULL) AS repeated,
  count(DISTINCT artifact_type) AS artifact_types,
  count(DISTINCT user_agent) AS user_agents
FROM live WHERE recent
"""
