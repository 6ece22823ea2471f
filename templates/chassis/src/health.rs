//! The gRPC health service (`grpc.health.v1.Health`): a status for each service, and one overall.

use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health as HealthApi, HealthServer};
use tonic_health::server::{HealthReporter, HealthService};

/// The name that stands for the server as a whole.
const OVERALL: &str = "";

/// The health of the services of one server. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    reporter: HealthReporter,
    names: Vec<&'static str>,
}

impl Health {
    /// Every service NOT_SERVING, and so the server: a client must not see SERVING before the
    /// server is ready.
    pub(crate) async fn new(services: impl Iterator<Item = &'static str>) -> Self {
        let health = Self {
            reporter: HealthReporter::new(),
            names: services.chain([OVERALL]).collect(),
        };
        health.set(ServingStatus::NotServing).await;
        health
    }

    pub(crate) fn service(&self) -> HealthServer<impl HealthApi + use<>> {
        HealthServer::new(HealthService::from_health_reporter(self.reporter.clone()))
    }

    pub(crate) async fn serving(&self) {
        self.set(ServingStatus::Serving).await;
    }

    pub(crate) async fn not_serving(&self) {
        self.set(ServingStatus::NotServing).await;
    }

    /// Whether the server as a whole is SERVING.
    #[cfg(test)]
    pub(crate) async fn is_serving(&self) -> bool {
        use tonic_health::pb::HealthCheckRequest;
        use tonic_health::pb::health_check_response::ServingStatus;

        let service = HealthService::from_health_reporter(self.reporter.clone());
        let request = tonic::Request::new(HealthCheckRequest {
            service: OVERALL.to_owned(),
        });
        let response = service.check(request).await.expect("it is registered");
        response.into_inner().status() == ServingStatus::Serving
    }

    async fn set(&self, status: ServingStatus) {
        for name in &self.names {
            self.reporter.set_service_status(name, status).await;
        }
    }
}
