//! What a failure of librdkafka or of the broker means for the bridge.
//!
//! Codes are those of `rdkafka.h` (`rd_kafka_resp_err_t`): negative ones are librdkafka's own, positive ones the
//! broker's (Kafka protocol guide, "Error codes"). A newer broker may send a code that nobody here knows, so a code is
//! a number.

use dropbridge_port::{ErrorKind, PortError};
use rdkafka_sys::types::RDKafkaErrorCode as Code;

/// A failure as librdkafka tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: i32,
    /// Its text, free of secrets.
    pub(crate) text: String,
    /// The client can never be used again.
    pub(crate) fatal: bool,
    /// The open transaction can only be aborted.
    pub(crate) requires_abort: bool,
}

impl Failure {
    pub(crate) fn new(code: i32, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), fatal: false, requires_abort: false }
    }

    pub(crate) fn is(&self, code: Code) -> bool {
        self.code == code as i32
    }

    /// The call was not answered in its time; what it asked for may still happen, and it may be called again.
    pub(crate) fn is_timeout(&self) -> bool {
        TIMEOUT.iter().any(|code| self.is(*code))
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        kind(self.code, self.fatal)
    }

    /// The error for the bridge.
    pub(crate) fn into_port(self, operation: &'static str, subject: impl Into<String>) -> PortError {
        let error = PortError::new(self.kind(), operation, subject, &self.text);
        match hint(self.code) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

const TIMEOUT: &[Code] = &[Code::OperationTimedOut, Code::RequestTimedOut, Code::TimedOutQueue];

const REFUSED_LOGIN: &[Code] = &[
    Code::Authentication,
    Code::SaslAuthenticationFailed,
    Code::UnsupportedSASLMechanism,
    Code::IllegalSASLState,
    Code::SecurityDisabled,
    Code::DelegationTokenAuthDisabled,
    Code::DelegationTokenNotFound,
    Code::DelegationTokenOwnerMismatch,
    Code::DelegationTokenRequestNotAllowed,
    Code::DelegationTokenAuthorizationFailed,
    Code::DelegationTokenExpired,
];

const REFUSED_RIGHTS: &[Code] = &[
    Code::TopicAuthorizationFailed,
    Code::GroupAuthorizationFailed,
    Code::ClusterAuthorizationFailed,
    Code::TransactionalIdAuthorizationFailed,
    Code::PolicyViolation,
];

/// Another writer came, or the broker has forgotten this one: an id that was silent for long expires (`transactional.id.expiration.ms`,
/// `producer.id.expiration.ms`). In both cases only a new writer can go on, if the slot is still ours.
const FENCED: &[Code] = &[
    Code::Fenced,
    Code::ProducerFenced,
    Code::InvalidProducerEpoch,
    Code::TransactionCoordinatorFenced,
    Code::UnknownProducerId,
    Code::InvalidProducerIdMapping,
    Code::Fatal,
];

const UNACCEPTABLE: &[Code] =
    &[Code::MessageSizeTooLarge, Code::MessageBatchTooLarge, Code::InvalidMessageSize, Code::InvalidRecord];

const NOT_FOUND: &[Code] = &[
    Code::UnknownTopicOrPartition,
    Code::UnknownTopic,
    Code::UnknownPartition,
    Code::UnknownTopicId,
    Code::OffsetOutOfRange,
    Code::AutoOffsetReset,
];

const CONFIGURATION: &[Code] = &[
    Code::InvalidArgument,
    Code::InvalidConfig,
    Code::InvalidTopic,
    Code::InvalidPartitions,
    Code::InvalidReplicationFactor,
    Code::InvalidTransactionTimeout,
    Code::InvalidGroupId,
    Code::InvalidRequiredAcks,
    Code::UnsupportedVersion,
    Code::UnsupportedForMessageFormat,
    Code::UnsupportedCompressionType,
    Code::UnsupportedFeature,
    Code::NotImplemented,
    Code::NotConfigured,
];

const BUG: &[Code] = &[Code::State, Code::Conflict, Code::PreviousInProgress];

/// The kind of a code. What nobody here knows is transient: it is tried again, slower and slower.
pub(crate) fn kind(code: i32, fatal: bool) -> ErrorKind {
    let among = |codes: &[Code]| codes.iter().any(|known| *known as i32 == code);
    // Lost rights are told as fatal too, and the operator must hear of the rights.
    if among(REFUSED_LOGIN) || among(REFUSED_RIGHTS) || code == Code::SSL as i32 {
        ErrorKind::Refused
    } else if fatal || among(FENCED) {
        ErrorKind::Fenced
    } else if among(UNACCEPTABLE) {
        ErrorKind::Unacceptable
    } else if among(NOT_FOUND) {
        ErrorKind::NotFound
    } else if among(CONFIGURATION) {
        ErrorKind::Configuration
    } else if among(BUG) {
        ErrorKind::Bug
    } else {
        ErrorKind::Transient
    }
}

fn hint(code: i32) -> Option<&'static str> {
    let among = |codes: &[Code]| codes.iter().any(|known| *known as i32 == code);
    if among(REFUSED_LOGIN) {
        Some("check security.protocol, sasl.mechanism, sasl.username and the password that the bridge is given")
    } else if among(REFUSED_RIGHTS) {
        Some("ask for the rights that `init --plan` lists")
    } else if code == Code::SSL as i32 {
        Some("check ssl.ca.location and the name in the broker's certificate")
    } else if code == Code::UnknownTopicOrPartition as i32 || code == Code::UnknownTopic as i32 {
        Some("`dropbridge init` creates the topics of the configuration")
    } else if code == Code::Resolve as i32 {
        Some("check the host names in `brokers`, and the names the brokers advertise")
    } else if code == Code::AllBrokersDown as i32 || code == Code::BrokerTransportFailure as i32 {
        Some("check that the brokers run, and that host and port in `brokers` are reachable from here")
    } else if code == Code::InvalidTransactionTimeout as i32 {
        Some("the cluster's transaction.max.timeout.ms is lower than the bridge's transaction timeout")
    } else if code == Code::AutoOffsetReset as i32 || code == Code::OffsetOutOfRange as i32 {
        Some("the records at this offset are gone: see the topic's retention")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_the_kind_that_makes_the_bridge_do_the_right_thing() {
        use ErrorKind as Kind;
        let table = [
            (Code::ProducerFenced, false, Kind::Fenced),
            (Code::InvalidProducerEpoch, false, Kind::Fenced),
            (Code::Fenced, false, Kind::Fenced),
            (Code::Fatal, false, Kind::Fenced),
            (Code::OutOfOrderSequenceNumber, true, Kind::Fenced),
            (Code::InvalidTransactionalState, true, Kind::Fenced),
            (Code::UnknownProducerId, false, Kind::Fenced),
            (Code::InvalidProducerIdMapping, false, Kind::Fenced),
            (Code::OperationTimedOut, false, Kind::Transient),
            (Code::BrokerTransportFailure, false, Kind::Transient),
            (Code::AllBrokersDown, false, Kind::Transient),
            (Code::Resolve, false, Kind::Transient),
            (Code::MessageTimedOut, false, Kind::Transient),
            (Code::NotEnoughReplicas, false, Kind::Transient),
            (Code::CoordinatorLoadInProgress, false, Kind::Transient),
            (Code::ConcurrentTransactions, false, Kind::Transient),
            (Code::UnstableOffsetCommit, false, Kind::Transient),
            (Code::LeaderNotAvailable, false, Kind::Transient),
            (Code::MessageSizeTooLarge, false, Kind::Unacceptable),
            (Code::MessageBatchTooLarge, false, Kind::Unacceptable),
            (Code::InvalidRecord, false, Kind::Unacceptable),
            (Code::UnknownTopicOrPartition, false, Kind::NotFound),
            (Code::UnknownTopic, false, Kind::NotFound),
            (Code::UnknownPartition, false, Kind::NotFound),
            (Code::AutoOffsetReset, false, Kind::NotFound),
            (Code::Authentication, false, Kind::Refused),
            (Code::SaslAuthenticationFailed, false, Kind::Refused),
            (Code::SSL, false, Kind::Refused),
            (Code::TopicAuthorizationFailed, false, Kind::Refused),
            (Code::GroupAuthorizationFailed, false, Kind::Refused),
            (Code::TransactionalIdAuthorizationFailed, true, Kind::Refused),
            (Code::ClusterAuthorizationFailed, true, Kind::Refused),
            (Code::PolicyViolation, false, Kind::Refused),
            (Code::InvalidTransactionTimeout, false, Kind::Configuration),
            (Code::InvalidReplicationFactor, false, Kind::Configuration),
            (Code::UnsupportedVersion, false, Kind::Configuration),
            (Code::State, false, Kind::Bug),
            (Code::Conflict, false, Kind::Bug),
        ];
        for (code, fatal, expected) in table {
            assert_eq!(kind(code as i32, fatal), expected, "{code:?}, fatal: {fatal}");
        }
        assert_eq!(kind(32_000, false), Kind::Transient, "a code of a broker of the future");
    }

    #[test]
    fn lost_rights_and_a_failed_login_tell_what_to_do() {
        for code in [Code::Authentication, Code::SSL, Code::TopicAuthorizationFailed, Code::AllBrokersDown] {
            assert!(Failure::new(code as i32, "text").into_port("connect", "kafka").hint.is_some(), "{code:?}");
        }
    }
}
