# Follows Yandex Cloud's page "Sending an asynchronous request": the second command of its REST example.
export IAM_TOKEN=<IAM_token>
curl \
  --request GET \
  --header "Authorization: Bearer ${IAM_TOKEN}" \
  https://operation.api.cloud.yandex.net/operations/<operation_ID>
