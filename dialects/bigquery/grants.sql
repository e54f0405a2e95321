{# https://cloud.google.com/bigquery/docs/reference/standard-sql/data-control-language; there is no role for SELECT, INSERT and UPDATE alone.
   Running a query needs roles/bigquery.jobUser in the project besides. -#}
GRANT `roles/bigquery.metadataViewer` ON SCHEMA {{ ident(schema) }} TO "user:<member>"
GRANT `roles/bigquery.metadataViewer` ON SCHEMA {{ ident(schema) }} TO "user:<reader>"
{% for name in tables %}
GRANT `roles/bigquery.dataEditor` ON TABLE {{ table(name) }} TO "user:<member>"
GRANT `roles/bigquery.dataViewer` ON TABLE {{ table(name) }} TO "user:<reader>"
{% endfor %}
GRANT `roles/bigquery.dataViewer` ON TABLE {{ table(ledger) }} TO "user:<member>"
GRANT `roles/bigquery.dataViewer` ON TABLE {{ table(ledger) }} TO "user:<reader>"
