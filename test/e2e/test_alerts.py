"""Alerts over HTTP, through the proxy: from a rule to an alert that is resolved."""

import datetime
import unittest

import support

BASE = "/api/v1/telemetry"
USER = {"X-User-Id": "ann"}


def utc(seconds_ago=0):
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds_ago)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class AlertTest(support.SharedProxyTestCase):

    def setUp(self):
        super().setUp()
        self.cluster.execute("DELETE FROM telemetry.alert_rule; DELETE FROM telemetry.alert; DELETE FROM telemetry.device_group;"
                             " DELETE FROM telemetry.maintenance")

    def ask(self, method, path, status, body=None, headers=USER):
        answer = self.proxy.request(method, BASE + path, body, headers=headers)
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def make_rule(self, **fields):
        rule = {"name": "Hot", "metric_name": "temperature", "condition": ">", "threshold_value": 30, "level": "critical"}
        return self.ask("POST", "/alerts/rules", 201, {**rule, **fields})

    def post_point(self, value, seconds_ago=0):
        self.ask("POST", "/devices/oven/telemetry", 200,
                 {"timestamp": utc(seconds_ago), "metric_name": "temperature", "value": value})

    def test_a_point_becomes_an_alert_that_is_acknowledged_and_resolved_once(self):
        rule = self.make_rule()
        self.assertEqual((rule["created_by"], rule["total_triggers"]), ("ann", 0))
        self.post_point(20, 3)
        self.assertEqual(self.ask("GET", "/alerts", 200)["alerts"], [])
        self.post_point(31, 2)
        listed = self.ask("GET", "/alerts?status=active&level=critical", 200)
        self.assertEqual((listed["count"], listed["active_count"], listed["critical_count"]), (1, 1, 1))
        self.assertEqual(listed["filters"], {"status": "active", "level": "critical"})
        alert = listed["alerts"][0]
        self.assertEqual((alert["rule_id"], alert["device_id"], alert["value"]), (rule["rule_id"], "oven", 31))
        path = "/alerts/" + alert["alert_id"]

        self.assertEqual(self.ask("PUT", path + "/acknowledge", 200, {"note": "looking"})["status"], "acknowledged")
        self.ask("PUT", path + "/acknowledge", 409, {"note": "me, too"})
        self.assertEqual(self.ask("GET", path, 200)["acknowledged_by"], "ann")
        self.assertEqual(self.ask("PUT", path + "/resolve", 200)["alert"]["resolved_by"], "ann")
        self.ask("PUT", path + "/resolve", 409)
        self.assertEqual(self.ask("GET", "/alerts", 200)["active_count"], 0)
        self.assertEqual(self.ask("GET", "/alerts/rules/" + rule["rule_id"], 200)["total_triggers"], 1)

    def test_a_rule_is_switched_off_changed_and_deleted(self):
        path = "/alerts/rules/" + self.make_rule()["rule_id"]
        self.assertTrue(self.ask("PUT", path + "/enable", 200, {"enabled": False})["success"])
        self.post_point(50, 3)
        self.assertEqual(self.ask("GET", "/alerts", 200)["count"], 0)
        self.ask("PUT", path + "/enable", 200, {"enabled": True})
        self.assertEqual(self.ask("PUT", path, 200, {"threshold_value": 60})["threshold_value"], 60)
        self.post_point(55, 2)
        self.assertEqual(self.ask("GET", "/alerts", 200)["count"], 0)
        self.post_point(65, 1)
        self.assertEqual(self.ask("GET", "/alerts", 200)["count"], 1)
        self.ask("DELETE", path, 200)
        self.ask("GET", path, 404)
        self.assertEqual(self.ask("GET", "/alerts", 200)["alerts"][0]["resolution"], "rule_deleted")

    def test_what_is_wrong_is_named(self):
        for body, status, said in (
                ({"name": "n"}, 422, "condition is required"),
                ({"name": "n", "metric_name": "m", "condition": "=", "threshold_value": 1}, 422, "condition must be one of"),
                ({"name": "n", "metric_name": "m", "condition": ">", "threshold_value": 1, "colour": 1}, 422, 'no field "colour"'),
                ([], 422, "must be a JSON object"),
                ("{", 400, ""), ("", 422, "must be a JSON object")):
            with self.subTest(body=body):
                answer = self.ask("POST", "/alerts/rules", status, body)
                self.assertEqual(list(answer), ["detail"])
                self.assertIn(said, answer["detail"])
        self.assertIn("limit", self.ask("GET", "/alerts?limit=0", 400)["detail"])
        self.ask("GET", "/alerts/none", 404)
        self.ask("DELETE", "/alerts/none", 405)

    def test_groups_and_maintenance(self):
        self.ask("PUT", "/device-groups/kitchen", 201, {"device_ids": ["oven"]})
        self.ask("PUT", "/device-groups/kitchen", 200, {"device_ids": ["oven", "fridge"]})
        self.assertEqual(self.ask("GET", "/device-groups", 200)["device_groups"][0]["device_count"], 2)
        self.make_rule(device_groups=["kitchen"])
        maintenance = self.ask("POST", "/maintenance", 201, {"starts_at": utc(60), "ends_at": utc(-60), "device_groups": ["kitchen"]})
        self.post_point(40, 3)
        self.assertEqual(self.ask("GET", "/alerts", 200)["count"], 0)
        self.ask("DELETE", f"/maintenance/{maintenance['id']}", 200)
        self.post_point(40, 2)
        self.assertEqual(self.ask("GET", "/alerts", 200)["count"], 1)
        self.ask("DELETE", "/device-groups/kitchen", 200)


class RightsTest(support.SharedClusterTestCase):

    def test_a_proxy_of_a_writer_changes_alerts_and_no_rules(self):
        self.cluster.execute("CREATE ROLE alert_proxy LOGIN IN ROLE telemetry_writer, telemetry_reader")
        proxy = self.start_proxy(self.cluster, user="alert_proxy")
        rule = {"name": "Hot", "metric_name": "m", "condition": ">", "threshold_value": 1}
        path = BASE + "/alerts/rules"
        refused = proxy.post(path, rule)
        self.assertEqual(refused.status, 403, refused)
        self.assertIn("telemetry_admin", refused.json["detail"])
        self.assertEqual(proxy.get(path).json["rules"], [])
        self.cluster.execute("GRANT INSERT ON telemetry.alert_rule TO alert_proxy")
        self.assertEqual(proxy.post(path, rule).status, 201)
        proxy.post(BASE + "/devices/d/telemetry", {"timestamp": utc(), "metric_name": "m", "value": 2})
        alert = proxy.get(BASE + "/alerts").json["alerts"][0]
        resolved = proxy.request("PUT", f"{BASE}/alerts/{alert['alert_id']}/resolve", {})
        self.assertEqual((resolved.status, resolved.json["alert"]["resolved_by"]), (200, "alert_proxy"))


if __name__ == "__main__":
    unittest.main()
