//! Database users with fewer rights than the tests' own.

use super::Store;

/// A login of a server. It is dropped at the end with all it owns.
pub struct Role<'a> {
    store: &'a Store,
    name: String,
}

impl Role<'_> {
    /// One that may log in, and nothing else.
    pub fn without_rights(store: &Store) -> Role<'_> {
        let name = format!("u_{}", store.schema.to_lowercase());
        store.sql(&match store.backend {
            "postgresql" => format!("CREATE ROLE {name} LOGIN PASSWORD 'pass';"),
            _ => format!("CREATE USER {name} IDENTIFIED BY 'pass'; GRANT SELECT ON analytics.* TO {name};"),
        });
        Role { store, name }
    }

    /// Its name on the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Grants rights on the store's tables, such as `SELECT, INSERT`.
    pub fn grant(&self, rights: &str) {
        let (schema, name) = (&self.store.schema, &self.name);
        self.store.sql(&match self.store.backend {
            "postgresql" => {
                let schema = schema.to_lowercase();
                format!("GRANT USAGE ON SCHEMA {schema} TO {name}; GRANT {rights} ON ALL TABLES IN SCHEMA {schema} TO {name};")
            }
            _ => format!("GRANT {rights} ON `{schema}`.* TO {name};"),
        });
    }

    /// Makes the store's schema, empty, and this role its owner. PostgreSQL's alone.
    pub fn own_schema(&self) {
        self.store.sql(&format!("CREATE SCHEMA {} AUTHORIZATION {};", self.store.schema.to_lowercase(), self.name));
    }

    /// The store's URL for this role.
    pub fn url(&self) -> String {
        self.url_with("pass")
    }

    /// The same with another password.
    pub fn url_with(&self, password: &str) -> String {
        let mut url = url::Url::parse(&self.store.url).unwrap();
        url.set_username(&self.name).unwrap();
        url.set_password(Some(password)).unwrap();
        url.to_string()
    }
}

impl Drop for Role<'_> {
    fn drop(&mut self) {
        self.store.shell(&match self.store.backend {
            "postgresql" => format!("DROP OWNED BY {0} CASCADE; DROP ROLE {0};", self.name),
            _ => format!("DROP USER {};", self.name),
        });
    }
}
