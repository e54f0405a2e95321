{# A name of the catalog: in small letters where the database's collation takes those for the same name, else as it is -#}
{% macro found(name) %}CASE WHEN {{ name }} = LOWER({{ name }}) THEN LOWER({{ name }}) ELSE {{ name }} END{% endmacro %}
